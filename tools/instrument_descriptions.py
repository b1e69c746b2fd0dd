"""What an encyclopaedia would say about each instrument class: prose that teaches the text table its words.

Development only, read by ``build_text_table.py``. The held-out phrases of the tests are not repeated here.
"""

DESCRIPTIONS: dict[str, str] = {
    "vocals": """
        the human voice singing a song; someone sings the melody with words; a person singing the verse and
        chorus; a woman singing; a man singing; children singing; an opera singer performing an aria; a
        soloist in a church hymn; gospel singers; harmonies of several voices; spoken lyrics over a beat; a
        rapper's verse; a throat, lungs and mouth make the sound; chanting monks; soulful female singer;
        whispered words; the tune that carries the lyrics; karaoke singer at a microphone; crooning ballad;
        screaming into the microphone""",
    "drums": """
        a drummer keeping time; kick and snare and cymbals; a rock drummer hitting with sticks; the beat of
        the song; a fast drum fill; two and four on the snare; crashing cymbals; a set of drums and cymbals
        played with sticks and foot pedals; the thump of the kick pedal; drum solo; programmed beat; brushes
        on a snare; hitting skins with sticks; metal double pedal pounding; jazz ride pattern; sixteenth
        notes on the hat; the rhythm keeper behind the band; drum roll; a break of an old funk record; four
        on the floor""",
    "percussion": """
        hand played drums and shakers; shaking a rattle; striking two wooden sticks together; rhythmic
        clapping of hands; Latin American hand drums; a Cuban rhythm on skins played with the palms;
        Brazilian samba rhythm section; West African hand drumming; jingles shaken by hand; scraping a ribbed
        gourd; tapping a wooden box drum with the fingers; hitting a metal bell with a stick; Indian hand
        drums; everyday objects hit for rhythm; orchestral kettledrums; beads in a gourd; knocking on wood;
        ethnic rhythm instruments; pots and pans; small auxiliary rhythm instruments""",
    "bass": """
        the lowest notes of the band; low pitched line under the harmony; deep low end; a long neck with four
        thick strings tuned low; slapping and popping funk line; a walking line in jazz; low frequencies of a
        club track; rumbling sub frequencies; plucked very low notes; the low register foundation; root notes
        of the chords played low; a large wooden body plucked standing; dub reggae low line; a deep wobbling
        low sound; fingers plucking thick low strings; sub woofer shaking lows""",
    "acoustic guitar": """
        a hollow wooden body with six strings, unamplified; strumming chords around a campfire; a folk
        singer's strummed accompaniment; picking nylon strings with the fingers; classical Spanish fretted
        instrument; flamenco player; unplugged; bossa nova rhythm with fingers; country strumming; gently
        fingerpicked arpeggios on a wooden body; steel strings strummed with a pick, no amplifier; sound
        hole; songwriter strumming; wooden six string""",
    "electric guitar": """
        six strings through an amplifier; distortion pedal and tube amplifier; a heavy metal riff; a
        screaming solo with bends and vibrato; power chords through a stack; overdriven rock rhythm; magnetic
        pickups and a solid body; feedback and fuzz; wah wah pedal; clean funk strumming through an amp; surf
        tremolo arm; shredding fast notes; the rock band's lead player; palm muted chugging; punk rock
        chords; blues licks with string bending; grunge; whammy; twangy country licks""",
    "piano": """
        a large instrument with hammers striking strings and eighty-eight keys; black and white keys;
        pressing the sustain pedal; a pianist plays a sonata; a nocturne; a classical concerto on the grand;
        a bar player at the keys with hammers; prelude and etude; ballad accompaniment on a concert grand;
        ivory keys; boogie woogie left hand; hammers and strings in a wooden case; a Mozart sonata;
        impressionist keys; stride""",
    "electric piano": """
        a keyboard with metal tines and pickups; the tines of the seventies; a soul ballad with a tremolo
        keyboard; struck reeds and electric pickups; jazz fusion keyboard with bell tones; warm vintage
        keyboard with tines; a digital keyboard of the eighties; funky keyboard with wah; keyboard with
        hammers and tuning forks; neo soul chords on a vintage stage keyboard; electromechanical keyboard;
        suitcase amplifier""",
    "organ": """
        a keyboard with pipes in a church; wind blown through pipes by keys; cathedral instrument with stops
        and pedals; drawbars and rotating speaker; gospel church keyboard; spinning speaker cabinet; a fugue
        by Bach played with feet and hands; progressive rock keyboard with tonewheels; bellows and reeds
        squeezed with both hands; polka and tango with bellows; folk dance squeezed instrument; hymn
        accompaniment; sustained keyboard chords with a whirling speaker; manuals and stops""",
    "mallets": """
        tuned bars hit with mallets; wooden bars struck with soft beaters; metal bars with a motor and
        resonators; bright small metal bars; tinkling toy music box; bells tuned to a scale; Caribbean tuned
        oil drums; African wooden keys with gourds; thumb plucked metal tongues; Indonesian tuned gongs;
        chiming metal tubes; a ringing tuned bell tower; glassy struck bars; tuned bars in an orchestra""",
    "strings": """
        a bow drawn over strings; bowed instruments of the orchestra; a quartet of bowed instruments; lush
        symphonic section; chamber music with bows; a concerto soloist with a bow; legato bowing; horsehair
        bow and rosin; a famous old instrument from Cremona; film score section with bows; country hoedown
        bowed tune; baroque ensemble with bows; plucked with the finger instead of the bow; romantic soaring
        section; tremolo bowing; Vivaldi concerto""",
    "brass": """
        a metal tube with valves blown with buzzing lips; a fanfare of valves; military band players; big
        band section blasts; a slide moved in and out; jazz player with a mute; buzzing lips into a cup
        mouthpiece; New Orleans parade players; mariachi players; hunting calls; heroic royal fanfare; funk
        section stabs; ska section; low oompah; marching band; cool jazz muted solo; bugle call; herald""",
    "saxophone": """
        a conical brass tube with a single reed; a bebop soloist with a reed; smooth jazz solo; a sultry late
        night jazz solo; honking rhythm and blues solo; a wailing free jazz soloist; reed instrument of jazz;
        the eighties pop ballad solo with a reed; hard bop quartet leader; cool jazz improvisation; a single
        reed mouthpiece and brass keys""",
    "woodwinds": """
        air blown over a hole in a tube; blowing across a mouthpiece; breathy wooden pipe; bamboo pipe;
        double reed of the orchestra; single reed wooden tube of the orchestra; Irish folk pipe; Scottish
        pipes with a bag and drones; shepherd pipe; swing era soloist with a black wooden tube; children's
        school pipe; Andean pipes; a high bird-like trill on a silver tube; blown clay vessel; nasal double
        reed; pocket instrument blown with free reeds; klezmer solo; wind quintet; Aboriginal drone tube""",
    "plucked": """
        strings plucked with the fingers or a pick on a small lute; bluegrass rolls; a round body with a drum
        skin and five strings; Indian raga with sympathetic strings; heavenly sweeps over many strings;
        Hawaiian small four string; tremolo picking on doubled strings; renaissance court plucking; Japanese
        plucked silk strings; Chinese plucked strings; Russian triangular three strings; Greek folk plucking;
        Arabic fretless short neck; West African gourd with strings; baroque keyboard that plucks the
        strings; Appalachian folk plucking""",
    "synth": """
        an electronic keyboard with oscillators; sawtooth and square waves with a filter; analog oscillators;
        electronic dance lead; trance arpeggio; ambient electronic texture; buzzing sawtooth; filter sweep
        with resonance; wobbling modulation; eighties electronic pop; electronic sequence; techno stab;
        sustained electronic atmosphere; oscillators and envelopes and knobs; robot noises; computer tones;
        frequency modulation; electro house lead; electronica; sci-fi whistle with hands in the air""",
}

# Words of music that a general English vocabulary of 20 000 words leaves out.
MUSIC_WORDS = """
acciaccatura acid adagio allegro altissimo amplifier antiphonal appoggiatura arabesque arcade arpeggiated
arpeggio arpeggios balladeer barbershop baritonal barrelhouse batucada bebop bellows belting bhangra bleep
bleeping bleeps bluegrass bluesy bodied bolero boogie bossa bowstroke breathy britpop brushwork busker
cadenza calypso cantata cantabile canzone celtic chamber charanga chicha chiptune chord chordal chording
chords choro chugging clarion clawhammer clacking clattering comping concertino conjunto coltrane
contrapuntal countrypolitan crescendo cross-stick crunchy cumbia damped decay descant detache dixieland
dobros downbeat downstroke drawbars drone droning drumroll drumstick drumsticks dubstep dulcet duet dynamics
edm electroacoustic electronica embouchure etude etudes fanfare fanfares fandango feedback fermata
fingerboard fingerpicked fingerpicking fingerstyle flam flange flanger flutter fluttering forte forró fret
frets fretted frontman fugal fugue funky fuzz fuzzy fuzztone gigue glissandi glissando glitch glottal gospel
growl growling grungy habanera hammering harmonized harmonizing headbanging hillbilly hoedown honking hymnal
hymnody improvisation improvised jangling jangly jazzy jig jigs jingling jug jungle keening kettledrums keyed
keypad klezmer knocking legato librettist libretto lieder lilting loops lullaby lyricist madrigal malletted
mariachi mazurka melisma melismatic melodic melodious metallic mezzo mic microtonal minstrel minuet
mouthpiece motown nasal neofolk nocturne nocturnes noisy octatonic octave oompah operatic oratorio
oscillating oscillator oscillators ostinato overblown overdrive overdriven overtone overtones paganini
paradiddle paradiddles pealing pedalboard pentatonic percussively phaser picking pickups picker piping
pizzicati pluck plucking plucks polka polyphonic polyrhythm portamento prelude psalm psaltery psychedelic
quartets quavers ragtime raga ragas rapping rasping rattle rattling reedy refrain reggaeton requiem resonator
reverb riff riffing riffs ringing ripieno rockabilly roll rondo rosin rubato rumba salsa samba samples
sarabande sawing scat scherzo serenade shaking shredder shredding shuffle sibilant sidechain sizzling ska
skiffle skins slapping slide soca solfege soloist soloists sonata sonatas sonatina songwriter soukous
spiccato squawking squealing staccato stab stabs sticks stradivarius stradivari strings strum strummed
strumming strums sustain sustained swing swung syncopated synthpop syncopation tango tarantella techno thrash
thumping thunderous timbral timbre timekeeper timekeeping tines tinkling tinny toccata tonguing tremolo
tremolos trill trilled trills triplet tuned tuning twang twangy unaccompanied unison unplugged unpitched
upstroke valved valves verse vibrato villanelle vivace wah wailing waltz warble warbling whammy whistling
whistler wobble woody woofer yodeling yodelling zydeco
"""
