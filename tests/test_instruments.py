"""Which class a name means: abbreviations, file names, prompts, languages, compounds; what stays unknown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxlens.instruments import BY_NAME, INSTRUMENTS, QUERY_TARGETS, aliases, content_words, resolve, words_of

CASES = {
    "vocals": """
        vox, lead_vox, BVs, bgv, choir, singer, LeadVox, 03_LeadVox_dbl-2, Backing Vocals.wav, this is the
        sound of the lead vocals, gesang, voix, voces, chœur-choeurs, male rapper, lead-vocals, tenor""",
    "drums": """
        kit, 808, hi-hat, HiHat, snare, Kick In, Snare Bottom, bass drum, the drums, drums please, DRUMS,
        Schlagzeug, batería, batterie, kick & snare, OHs, drum_machine, tom 2""",
    "percussion": """
        perc, congas, bongos, shaker, tambourine, hand_drums, pauken, timpani, claps, cowbell""",
    "bass": """
        sub bass, synth_bass, upright, bass guitar, e-bass, 808 bass, Kontrabass, contrebasse, bajo, BassDI,
        slap bass, bass synth, drum bass, double-bass, moog bass""",
    "acoustic guitar": """
        nylon guitar, AcGtr, acoustic rhythm guitar L, 12-string guitar, 12StringGuitar, Akustikgitarre,
        guitare acoustique, guitarra acústica, classical guitar, chitarra classica, dobro, violão""",
    "electric guitar": """
        gtr, distorted guitar, EGtr 2, GuitarL, leadgitarre, guitare électrique, clean_electric_guitar,
        guitar fx, pedal steel, electric_guitar_03, rhythm left double""",
    "piano": """
        pno, grand piano, Klavier, upright piano, Flügel, honky-tonk piano, piano à queue""",
    "electric piano": """
        rhodes, wurlitzer, clav, e-piano, Elektropiano, piano électrique, electric grand piano, DX7, keys""",
    "organ": """
        hammond, Hammond B3, church organ, Orgel, orgue, accordion, Akkordeon, órgano""",
    "mallets": """
        vibes, marimba, glockenspiel, steel drums, xylophone, mallet, kalimba, tubular bells, vibráfono""",
    "strings": """
        violin, violins, cello, celli, vln 2, pizzicato strings, Streicher, Geigen, cordes, violonchelo,
        bowed_strings, string_quartet, PadStrings FX""",
    "brass": """
        french_horn, trumpet, tbn, horns, Trompete, Posaunen, trompettes, corno, brass stabs, bass trombone,
        trumpet in a jazz band with drums, flugelhorn""",
    "saxophone": """
        alto sax, AltoSax, sax, tenor_saxophone, saxofón alto, bari sax, saxophones""",
    "woodwinds": """
        flute, clarinet, Flöte, Querflöte, clarinette, bass clarinet, oboe, bassoon, harmonica, wind, English
        horn, tin whistle""",
    "plucked": """
        mandolin, banjo, harp, ukulele, uke, sitar, koto, harpsichord, Harfe, other_plucked, mandoline""",
    "synth": """
        lead, pad, arp, synths, drum synth, supersaw, synth strings, other_keys, synthétiseur, guitar
        synthesizer, vocal synthesizer, pluck""",
    "other": """
        fx, backing, other, backing track, sfx, accompaniment, karaoke, no vocals, atmos""",
}
PAIRS = [(text.strip(), name) for name, texts in CASES.items() for text in " ".join(texts.split()).split(", ")]


@pytest.mark.parametrize(("text", "name"), PAIRS)
def test_resolves(text: str, name: str) -> None:
    found = resolve(text)
    assert found is not None and found.name == name


@pytest.mark.parametrize(
    "text",
    ["", "  ", "?", "0123", "xyzzy", "morgan", "sharp", "salute", "conundrum", "the sound of a", "mountain",
     "piano and drums", "vocals + guitar", "latin rhythm played by hand", "in the key of love and hope"],
)  # fmt: skip
def test_unknown_and_ambiguous_stay_unknown(text: str) -> None:
    assert resolve(text) is None


@pytest.mark.parametrize("form", [str, str.upper, lambda s: s.title().replace(" ", ""), lambda s: f"07_{s}-2.flac"])
def test_every_alias_means_its_class_in_every_spelling(form) -> None:
    """Also shows that no alias is listed under two classes."""
    wrong = []
    for instrument in INSTRUMENTS:
        for alias in aliases(instrument.name):
            found = resolve(form(alias))
            if found != instrument:
                wrong.append((form(alias), instrument.name, found))
    assert not wrong


def test_classes() -> None:
    assert len(INSTRUMENTS) == 17 and len(BY_NAME) == 17
    assert [i for i in INSTRUMENTS if i not in QUERY_TARGETS] == [BY_NAME["other"]]
    assert sum(len(aliases(i.name)) for i in INSTRUMENTS) > 1000


def test_words() -> None:
    assert words_of("Hi-Hats_02 Ängström's") == ("hi", "hat", "02", "angstrom")
    assert words_of("bass brass") == ("bass", "brass")
    assert content_words("This is the sound of the lead vocals") == ("lead", "vocal")


@given(st.text(max_size=60))
def test_any_text_gives_a_class_or_none(text: str) -> None:
    assert resolve(text) is None or resolve(text) in INSTRUMENTS
