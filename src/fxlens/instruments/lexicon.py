"""What people call the instruments: abbreviations, file-name habits, players, and five languages.

One string a class, aliases separated by commas. A leading ``~`` marks a weak alias, one that counts only when
nothing else was recognised (*lead*, *pad*, *tenor*). Case, accents, hyphens and plural ``s`` do not matter.
"""

from __future__ import annotations


def singular(word: str) -> str:
    """A word without plural ``s``, for comparison only: "brass" stays, "this" does not."""
    return word[:-1] if len(word) > 2 and word.endswith("s") and not word.endswith("ss") else word


def _words(text: str) -> frozenset[str]:
    return frozenset(map(singular, text.split()))


# "808" alone is the drum machine; "808 bass" is a bass.
LEXICON: dict[str, str] = {
    "vocals": """
        vocals, vocal, vox, voc, vx, ~lv, ~ld, voice, voices, singing, singer, sung, choir, chorus vocals,
        lead vocal, lead vox, lead voice, lead singer, backing vocals, background vocals, backing voices,
        back vocals, backing vox, background vox, bgv, bgvs, bv, bvs, bvox, bkg vox, harmony vocals, vocal
        harmony, vocal harmonies, ~harmony, ~harmonies, acapella, a cappella, acappella, ad lib, adlib, rap,
        rapper, rapping, mc vocal, spoken word, speech, talking, whisper, scream, screaming, ~shout, humming,
        beatbox, beatboxing, vocoder, vocal synth, vocal chop, vocal pad, talkbox, talk box, yodel, chant,
        chanting, crooner, vocalist, ~soprano, ~mezzo, ~alto, ~tenor, ~baritone, ~countertenor, male singer,
        female singer, vocaloid, falsetto, gesang, stimme, stimmen, chor, sanger, sangerin, saenger,
        leadgesang, hauptgesang, hintergrundgesang, sprache, voix, choeur, choeurs, chanteur, chanteuse,
        chorale, voz, voces, coro, coros, cantante, cantor, canto, vocale, voce, voci, vocais, zang""",
    "drums": """
        drums, drum, drum kit, drum set, drumkit, drumset, drummer, drumming, drum machine, drum loop, ~kit,
        ~beat, ~beats, breakbeat, ~groove, ~loop, kick, kick drum, kik, kck, bd, bass drum, bassdrum, snare,
        snare drum, sn, snr, sd, ~rim, rimshot, rim shot, sidestick, side stick, hi hat, hihat, high hat,
        hat, hats, hh, open hat, closed hat, ohh, chh, tom, toms, tom tom, tomtom, floor tom, rack tom, ~oh,
        ~ohs, overhead, overheads, cymbal, cymbals, ride cymbal, crash cymbal, splash cymbal, china cymbal,
        ~ride, ~crash, brushes, drum room, drum bus, drum overheads, tr 808, tr 909, 808, 909, 606, 707, linn
        drum, linndrum, roland tr, electronic drums, e drums, edrums, acoustic drums, trap kit, trap drums,
        blast beat, ~trommel, schlagzeug, trommeln, grosse trommel, kleine trommel, becken, batterie, caisse
        claire, grosse caisse, cymbale, cymbales, bateria, caja clara, bombo, platillos, batteria, rullante,
        piatti, drumstel, trommer""",
    "percussion": """
        percussion, perc, percs, percussionist, ~percussive, conga, congas, bongo, bongos, quinto, djembe,
        cajon, tambourine, tamb, tamburin, tambourin, shaker, egg shaker, maracas, maraca, cabasa, guiro,
        claves, woodblock, wood block, block, cowbell, cow bell, triangle, agogo, timbales, timbale, timpani,
        timpano, kettledrum, kettle drum, taiko, tabla, tablas, darbuka, doumbek, dumbek, dholak, dhol,
        mridangam, udu, frame drum, hand drum, hand drums, hand percussion, bodhran, pandeiro, surdo,
        repinique, tamborim, cuica, caxixi, castanets, castanet, sleigh bells, jingle bells, clap, claps,
        handclap, handclaps, hand clap, clapping, snap, snaps, finger snap, finger snaps, finger cymbals,
        gong, tam tam, temple block, vibraslap, ratchet, flexatone, rainstick, wind chimes, mark tree, bar
        chimes, anvil, stomp, stomps, foot stomp, body percussion, washboard, spoons, orchestral percussion,
        concert bass drum, gran cassa, talking drum, talking drums, ashiko, perkussion, schlagwerk, pauke,
        pauken, schellenkranz, rassel, klatschen, percussioni, percussions, percusion, percussao, pandereta,
        slagwerk, palmas, zills""",
    "bass": """
        bass, bs, bss, bassline, bass line, bassist, bass guitar, bass gtr, bass gt, bass amp, bass di,
        electric bass, e bass, ebass, el bass, acoustic bass, acoustic bass guitar, fretless, fretless bass,
        slap bass, fingered bass, picked bass, finger bass, jazz bass, precision bass, p bass, j bass,
        upright bass, ~upright, standup bass, stand up bass, double bass, doublebass, contrabass, string
        bass, contrabassist, bull fiddle, bass fiddle, jazz double bass, sub, sub bass, subbass, synth bass,
        synthbass, syn bass, bass synth, synthesizer bass, synthesiser bass, moog bass, moog, acid bass,
        reese, reese bass, wobble bass, 808 bass, 808 sub, sub 808, 303, tb 303, low end, bass pedals,
        chapman stick, bass stick, guitarron, washtub bass, kontrabass, bassgitarre, tiefbass, basse, guitare
        basse, contrebasse, ligne de basse, bajo, bajo electrico, contrabajo, baixo, contrabaixo, basso,
        basso elettrico, contrabbasso, basgitaar, bas, basgitarr, kontrabas, guitarra bajo""",
    "acoustic guitar": """
        acoustic guitar, acoustic gtr, acoustic gt, ac guitar, ac gtr, ac gt, aco gtr, acou gtr, acgtr, acgt,
        agtr, ~ag, acoustic guitars, steel string guitar, steel string, nylon guitar, nylon string guitar,
        nylon gtr, nylon string, ~nylon, classical guitar, spanish guitar, flamenco guitar, flamenco, folk
        guitar, western guitar, fingerstyle guitar, fingerpicked guitar, finger picking guitar, strummed
        guitar, strumming guitar, twelve string guitar, 12 string guitar, 12 string acoustic, parlor guitar,
        resonator guitar, dobro, resophonic guitar, gypsy guitar, gypsy jazz guitar, ~acoustic, ~acoustics,
        guitalele, requinto, tres, vihuela, cuatro, gut string guitar, akustikgitarre, akustische gitarre,
        konzertgitarre, westerngitarre, klassische gitarre, guitare acoustique, guitare seche, guitare
        classique, guitare folk, guitarra acustica, guitarra espanola, guitarra clasica, guitarra flamenca,
        chitarra acustica, chitarra classica, violao, akoestische gitaar""",
    "electric guitar": """
        electric guitar, electric gtr, elec guitar, elec gtr, el guitar, el gtr, e guitar, e gtr, egtr, egt,
        ~eg, ~electric, elgtr, guitar, guitars, guitarist, gtr, gtrs, gt, guit, gitar, distorted guitar,
        distortion guitar, dist gtr, overdriven guitar, overdrive guitar, clean guitar, clean gtr, crunch
        guitar, fuzz guitar, heavy guitar, metal guitar, rock guitar, muted guitar, palm mute, lead guitar,
        lead gtr, ld gtr, rhythm guitar, rhythm gtr, rhy gtr, rhythm guitars, ~rhythm, guitar solo, guitar
        riff, ~riff, jazz guitar, blues guitar, surf guitar, wah guitar, tremolo guitar, baritone guitar,
        slide guitar, pedal steel, pedal steel guitar, lap steel, lapsteel, steel guitar, hawaiian guitar,
        guitar harmonics, guitar feedback, guitar amp, power chord, power chords, shred, strat, stratocaster,
        telecaster, tele, les paul, guitar synth, gitarre, e gitarre, egitarre, elektrische gitarre,
        leadgitarre, rhythmusgitarre, guitare, guitare electrique, guitarra, guitarra electrica, guitarra
        eletrica, chitarra, chitarra elettrica, gitaar, gitarr, elgitarr""",
    "piano": """
        piano, pianos, pno, pf, pianoforte, pianist, fortepiano, grand piano, acoustic piano, ac piano,
        upright piano, concert grand, baby grand, concert grand piano, ~grand, bright piano, honky tonk,
        honky tonk piano, honkytonk, tack piano, toy piano, prepared piano, felt piano, player piano,
        steinway, bosendorfer, bechstein, yamaha c 7, stride piano, saloon piano, piano solo, ivories,
        klavier, flugel, fluegel, konzertflugel, hammerklavier, ~tasten, piano a queue, piano droit, piano de
        cola, pianoforte a coda, vleugel, flygel""",
    "electric piano": """
        electric piano, elec piano, el piano, e piano, epiano, elpiano, ep, eps, electric grand, electric
        grand piano, rhodes, rhds, fender rhodes, suitcase piano, wurlitzer, wurly, wurli, wurlie, clav,
        clavi, clavinet, clavinova, d 6 clavinet, fm piano, dx 7, dx piano, digital piano, stage piano, cp
        70, cp 80, tine piano, reed piano, pianet, ~key, ~keys, ~keyboard, ~keyboards, ~keyboardist,
        ~keyboarder, stage keys, elektrisches klavier, elektropiano, e klavier, piano electrique, ~clavier,
        ~claviers, piano electrico, ~teclado, ~teclados, pianoforte elettrico, piano elettrico, ~tastiera,
        ~tastiere, piano eletrico""",
    "organ": """
        organ, organs, orgn, organist, hammond, hammond organ, hammond b 3, b 3, b 3 organ, c 3 organ,
        tonewheel, tonewheel organ, drawbar organ, drawbar, percussive organ, rock organ, jazz organ, church
        organ, pipe organ, reed organ, positive organ, portative organ, theatre organ, theater organ,
        electric organ, farfisa, vox continental, combo organ, transistor organ, leslie, leslie organ,
        harmonium, pump organ, melodeon, accordion, accordian, accordeon, concertina, bandoneon, squeezebox,
        piano accordion, button accordion, musette accordion, melodica, orgel, kirchenorgel, akkordeon,
        ziehharmonika, orgue, orgues, orgue hammond, accordeon musette, organo, organo hammond, acordeon,
        fisarmonica, orgao, dragspel, calliope""",
    "mallets": """
        mallets, mallet, mallet percussion, tuned percussion, pitched percussion, vibraphone, vibraphon,
        vibraharp, vibes, vibe, marimba, bass marimba, xylophone, xylo, xilofono, xylophon, glockenspiel,
        glock, glocken, celesta, celeste, music box, tubular bells, tubular bell, chimes, orchestral chimes,
        church bells, church bell, bell, hand bells, handbells, handbell, crotales, kalimba, mbira, thumb
        piano, likembe, steel drum, steel drums, steelpan, steel pan, steel pans, steelpans, pan drum, hang,
        hang drum, handpan, hand pan, tongue drum, balafon, gamelan, lithophone, metallophone, glass
        harmonica, glass harp, glass armonica, singing bowl, singing bowls, carillon, spieluhr,
        rohrenglocken, stabspiele, carillons, boite a musique, campanas tubulares, marimbas, vibrafono,
        vibrafon, campane tubolari""",
    "strings": """
        strings, string section, string ensemble, string orchestra, string quartet, strgs, strs, ~string,
        bowed strings, bowed string, orchestral strings, orchestra strings, strings section, strings
        ensemble, violin, violins, vln, vlns, vl, violinist, fiddle, fiddler, electric violin, viola, violas,
        vla, violist, cello, celli, cellos, cellist, vc, vlc, violoncello, violoncelli, electric cello,
        pizzicato, pizz, pizzicato strings, tremolo strings, spiccato, staccato strings, legato strings,
        arco, col legno, viola da gamba, viol, viols, gamba, baroque violin, hardanger fiddle, nyckelharpa,
        erhu, gaohu, kokyu, rebab, kamancheh, sarangi, hurdy gurdy, morin khuur, chamber strings, solo
        strings, mellotron strings, symphonic strings, streicher, streichquartett, streichorchester, geige,
        geigen, bratsche, violine, violinen, violoncelle, violon, violons, cordes, cordes frottees, quatuor a
        cordes, violonchelo, violonchelos, violines, cuerdas, cuerda frotada, archi, violino, violini,
        violoncelo, cordas, strijkers, viool, strakar""",
    "brass": """
        brass, brasses, brass section, brass ensemble, brass band, brs, horn section, horn stabs, brass
        stabs, horns, horn, hn, hrn, french horn, french horns, fr horn, trumpet, trumpets, tpt, trp, trpt,
        trumpeter, muted trumpet, harmon mute, cornet, flugelhorn, fluegelhorn, piccolo trumpet, trombone,
        trombones, tbn, trb, tbone, bone section, bass trombone, trombonist, tuba, tubas, sousaphone,
        euphonium, baritone horn, tenor horn, alto horn, mellophone, bugle, sackbut, cimbasso, wagner tuba,
        alphorn, conch, shofar, blech, blechblaser, blechblaeser, trompete, trompeten, posaune, posaunen,
        waldhorn, horner, kornett, cuivre, cuivres, trompette, trompettes, cor, cor d harmonie, cors,
        metales, trompeta, trompetas, trombon, corno, corni, trompa, trompas, tromba, trombe, ottoni, metais,
        trompet, trumpete, bocina""",
    "saxophone": """
        saxophone, saxophones, sax, saxes, saxs, saxophonist, saxophone section, sax section, alto sax, alto
        saxophone, altosax, tenor sax, tenor saxophone, tenorsax, baritone sax, bari sax, baritone saxophone,
        ~bari, soprano sax, soprano saxophone, sopranino sax, bass sax, bass saxophone, contrabass saxophone,
        asax, tsax, bsax, ssax, saxofon, saxofono, saxo, saxos, sassofono, saksofon, saxophon, altsaxophon,
        tenorsaxophon, altsax, saxophone alto, saxophone tenor, saxo alto, saxo tenor, saxofone""",
    "woodwinds": """
        woodwinds, woodwind, wood winds, winds, ~wind, ww, wws, wind section, reeds, flute, flutes,
        flt, fl, flutist, flautist, alto flute, bass flute, piccolo, picc, piccolo flute, pan flute, panpipe,
        pan pipes, panpipes, pan pipe, recorder, recorders, blockflute, ocarina, whistle, tin whistle,
        tinwhistle, pennywhistle, irish whistle, low whistle, slide whistle, clarinet, clarinets, clar, clr,
        cl, clarinetist, clarinettist, bass clarinet, contrabass clarinet, chalumeau, basset horn, oboe,
        oboes, ob, oboist, oboe d amore, english horn, cor anglais, bassoon, bassoons, bsn, bassoonist,
        contrabassoon, double reed, crumhorn, shawm, duduk, zurna, shehnai, nadaswaram, bansuri, dizi,
        shakuhachi, fife, fujara, quena, siku, ney, bottle blow, blown bottle, didgeridoo, bagpipe, bagpipes,
        uilleann pipes, harmonica, blues harp, mouth harp, mouth organ, mouthorgan, holzblaser, holzblaeser,
        flote, floete, querflote, querfloete, blockflote, blockfloete, panflote, klarinette, klarinetten,
        fagott, mundharmonika, dudelsack, englischhorn, bois, instruments a vent, flute traversiere, flute a
        bec, flute de pan, clarinette, clarinettes, hautbois, basson, cornemuse, vientos, viento madera,
        viento, maderas, flauta, flautas, clarinete, clarinetes, fagot, armonica, gaita, legni, flauto,
        flauti, clarinetto, fagotto, madeiras, fluit, klarinet, hobo, dwarsfluit, flojt""",
    "plucked": """
        plucked, pluck strings, plucked string, plucked strings, banjo, banjos, bjo, banjoist, tenor banjo,
        five string banjo, mandolin, mandolins, mando, mandolinist, mandola, mandocello, ukulele, ukuleles,
        ukelele, uke, harp, harps, harpist, concert harp, celtic harp, lever harp, arpa, lute, lutes,
        lutenist, theorbo, archlute, cittern, bouzouki, balalaika, domra, charango, bandurria, oud, saz,
        baglama, cumbus, sitar, sitars, electric sitar, sarod, veena, tanpura, tambura, santoor, santur,
        dulcimer, hammered dulcimer, mountain dulcimer, cimbalom, zither, psaltery, autoharp, koto, shamisen,
        samisen, guzheng, gayageum, pipa, guqin, qanun, kanun, kora, ngoni, lyre, jaw harp, jews harp, jew s
        harp, harpsichord, hpschd, cembalo, spinet, virginal, virginals, clavichord, tiple, bandolim,
        cavaquinho, harfe, laute, maultrommel, mandoline, mandolinen, hackbrett, zupfinstrument,
        zupfinstrumente, clavecin, harpe, luth, mandole, laud, mandolina, clavicembalo, mandolino, liuto,
        cravo, bandolin, clavicordio""",
    "synth": """
        synth, synths, syn, syns, synthesizer, synthesiser, synthesizers, synthesisers, syntheziser,
        synthesist, ~lead, ~leads, lead synth, synth lead, saw lead, square lead, ~pad, ~pads, synth pad,
        warm pad, ~arp, ~arps, ~arpeggio, ~arpeggiator, arp synth, synth arp, ~pluck, ~plucks, synth pluck,
        ~stab, ~stabs, synth stab, supersaw, super saw, sawtooth, square wave, saw wave, ~chords, ~chord,
        ~drone, ~poly, polysynth, poly synth, mono synth, monosynth, modular, modular synth, eurorack, analog
        synth, analogue synth, string synth, strings synth, synth strings, synth string, syn strings, synth
        brass, brass synth, synth choir, synth bells, synth keys, synth organ, synth voice, juno, jupiter 8,
        prophet, prophet 5, oberheim, minimoog lead, moog lead, moog pad, moog synth, nord lead, virus ti,
        serum, theremin, ondes martenot, chiptune, chip lead, 8 bit, mellotron, fm synth, wavetable,
        sequencer, ~seq, ~electronics, electronic keyboard, other keys, drum synth, synthe, synthes,
        synthetiseur, synthetiseurs, sintetizador, sintetizadores, sintetizzatore, synthesizer pad,
        synthflache, synthflaeche, ~flache, ~nappe, ~nappes, sinte""",
    "other": """
        other, others, ~rest, remainder, residual, residue, backing, backing track, backing tracks, backing
        band, accompaniment, accomp, ~accompanying, instrumental, ~instruments, ~instrument, karaoke, minus
        one, everything else, no vocals, novocals, no drums, no bass, without vocals, ~fx, ~sfx, sound fx,
        sound effects, ~effects, ~effect, ~efx, ~riser, ~risers, ~impact, ~impacts, ~sweep, ~sweeps, ~noise,
        ~ambience, ~atmosphere, ~atmos, ~atmo, foley, field recording, ~sample, ~samples, ~orchestra,
        ~orchestral, ~orch, ~ensemble, ~misc, ~crowd, ~audience, applause, ~metronome, click track, ~scratch,
        scratches, turntable, turntables, dj scratch, begleitung, sonstiges, ~rauschen, accompagnement,
        autre, autres, acompanamiento, otros, otro, altro, altri, ~gerausche""",
}

# One guitar word serves two classes, and so does one piano word: these words near it decide.
ACOUSTIC = _words("acoustic akustisch akustische acoustique acustica nylon classical spanish folk ac aco")
ELECTRIC = _words("electric elektrisch elektrische electrique electrico elettrico eletrico elec el")
# What may be glued to an alias to make one word: "leadvox", "backingvocals", "jazzgitarre".
GLUE = _words(
    """lead ld main back backing background bg solo rhythm rhy rhythmus haupt hintergrund jazz rock funk blues
    metal clean dist live left right akustik elektro electro electric acoustic e el ac synth syn sampled
    studio konzert kammer male female alt tenor bariton sopran double dbl kick snare bass sub low high hi"""
)
# "piano and drums" names two things, "trumpet in a jazz band" one: the words before these decide.
JOIN = _words("and und et y e plus vs")
AFTER = _words("""with in on over from through by inside within behind under mit im aus durch avec dans con without""")
# Words that say nothing about the instrument, so that a prompt means what its noun means.
FILLER = _words(
    """this that is it are was the a an of for to sound sounding recording track stem part please my our some
    just only give me hear listen isolated isolate extract instrument music musical playing played wav flac mp
    aif aiff ogg der die das ein eine le la les un une el los"""
)
