"""The words of the built-in data, in small tables that a reader of both languages can check.

Each German word of a table has one English translation, never the other way round: ``eng`` and ``schmal`` are both
"narrow", and which one is right depends on the place. Nouns give their gender: m (der), f (die), n (das).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Gender = Literal["m", "f", "n"]
PRONOUNS: dict[str, str] = {"m": "er", "f": "sie", "n": "es"}


@dataclass(frozen=True)
class Noun:
    """A noun in the forms that the grammar needs; ``accusative`` differs from ``german`` in weak nouns (den Bären)."""

    english: str
    plural: str
    gender: str
    german: str
    accusative: str
    german_plural: str


@dataclass(frozen=True)
class Verb:
    """A verb. ``infinitive`` is without the separable ``prefix``; ``stative`` verbs have no "is …-ing"."""

    base: str
    third: str
    past: str
    gerund: str
    particle: str
    infinitive: str
    german_third: str
    german_past: str
    prefix: str = ""
    stative: bool = False


@dataclass(frozen=True)
class Place:
    """A place, how one is there ("on", "auf"), and what is done with it: verb → the adjectives that may hinder it."""

    noun: Noun
    preposition: str
    german_preposition: str
    actions: dict[str, tuple[str, ...]]


def _rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines()]


def _lists(table: str) -> dict[str, list[str]]:
    """Rows ``key: word word …``."""
    rows = (line.split(":") for line in table.strip().splitlines())
    return {key.strip(): words.split() for key, words in rows}


ANIMALS = tuple(
    Noun(*row)
    for row in _rows("""
        dog     dogs      m Hund      Hund      Hunde
        bird    birds     m Vogel     Vogel     Vögel
        fox     foxes     m Fuchs     Fuchs     Füchse
        donkey  donkeys   m Esel      Esel      Esel
        bear    bears     m Bär       Bären     Bären
        cat     cats      f Katze     Katze     Katzen
        cow     cows      f Kuh       Kuh       Kühe
        goat    goats     f Ziege     Ziege     Ziegen
        duck    ducks     f Ente      Ente      Enten
        mouse   mice      f Maus      Maus      Mäuse
        horse   horses    n Pferd     Pferd     Pferde
        camel   camels    n Kamel     Kamel     Kamele
        pig     pigs      n Schwein   Schwein   Schweine
        rabbit  rabbits   n Kaninchen Kaninchen Kaninchen
        chicken chickens  n Huhn      Huhn      Hühner
    """)
)

PERSONS = tuple(
    Noun(*row)
    for row in _rows("""
        man     men       m Mann      Mann      Männer
        boy     boys      m Junge     Jungen    Jungen
        farmer  farmers   m Bauer     Bauern    Bauern
        woman   women     f Frau      Frau      Frauen
        aunt    aunts     f Tante     Tante     Tanten
        child   children  n Kind      Kind      Kinder
        girl    girls     n Mädchen   Mädchen   Mädchen
    """)
)

THINGS = tuple(
    Noun(english, "", gender, german, german, "")
    for english, gender, german in _rows("""
        ball m Ball
        letter m Brief
        coat m Mantel
        key m Schlüssel
        door f Tür
        lamp f Lampe
        cup f Tasse
        bag f Tasche
        book n Buch
        window n Fenster
        picture n Bild
        shirt n Hemd
    """)
)

_ACTIONS = """
river: überqueren breit tief | meiden tief breit | erreichen abgelegen
ditch: überqueren breit tief | meiden tief breit | erkunden tief
hill: hinaufsteigen steil hoch felsig rutschig | überqueren steil felsig | meiden steil felsig
forest: betreten sumpfig | erkunden sumpfig abgelegen | durchqueren sumpfig | erreichen abgelegen
garden: betreten voll sumpfig | verlassen voll sumpfig | erkunden felsig steil | meiden voll
park: betreten voll | verlassen voll | durchqueren voll | erreichen abgelegen
tunnel: betreten eng lang steil | erkunden eng lang tief | durchqueren eng lang | verlassen eng
path: hinaufsteigen steil schmal felsig rutschig | verlassen steil schmal holprig rutschig | meiden steil holprig
street: überqueren breit belebt steil rutschig | meiden belebt holprig steil | verlassen belebt | erreichen abgelegen
bridge: überqueren schmal lang hoch rutschig morsch | meiden schmal hoch morsch | verlassen rutschig morsch
meadow: überqueren sumpfig steil holprig | betreten sumpfig | verlassen sumpfig | erreichen abgelegen
cave: betreten tief eng | erkunden tief eng lang felsig | verlassen eng | erreichen abgelegen
kitchen: betreten eng voll | verlassen eng voll | meiden eng voll
barn: betreten voll morsch | verlassen voll morsch | erkunden voll morsch | erreichen abgelegen
staircase: hinaufsteigen steil hoch lang schmal rutschig morsch | meiden steil schmal rutschig morsch
gorge: durchqueren eng lang felsig | betreten tief eng steil | erkunden tief steil felsig | meiden tief steil
field: überqueren breit lang sumpfig holprig | betreten sumpfig | verlassen sumpfig holprig | erreichen abgelegen
valley: durchqueren breit lang sumpfig felsig | betreten eng sumpfig | erkunden tief breit felsig | meiden sumpfig eng
house: betreten voll eng | verlassen voll eng | meiden voll | erreichen abgelegen
room: betreten voll eng | verlassen voll eng | meiden voll eng
village: betreten belebt voll | verlassen voll abgelegen | meiden belebt voll | erreichen abgelegen
roof: erklimmen steil hoch rutschig morsch | verlassen steil hoch rutschig morsch | erreichen hoch
boat: betreten eng voll rutschig morsch | verlassen eng voll morsch | meiden eng morsch
moor: durchqueren breit tief sumpfig | betreten tief sumpfig | verlassen sumpfig | meiden tief sumpfig
"""


def _actions(table: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """Rows ``place: verb adjective … | verb adjective …``."""
    places = {}
    for line in table.strip().splitlines():
        place, actions = line.split(":")
        parts = (part.split() for part in actions.split("|"))
        places[place] = {verb: tuple(adjectives) for verb, *adjectives in parts}
    return places


_HINDRANCES = _actions(_ACTIONS)
PLACES = tuple(
    Place(Noun(english, "", gender, german, german, ""), preposition, german_preposition, _HINDRANCES[english])
    for english, gender, german, preposition, german_preposition in _rows("""
        river     m Fluss    by an
        ditch     m Graben   in in
        hill      m Hügel    on auf
        forest    m Wald     in in
        garden    m Garten   in in
        park      m Park     in in
        tunnel    m Tunnel   in in
        path      m Pfad     on auf
        street    f Straße   on auf
        bridge    f Brücke   on auf
        meadow    f Wiese    in auf
        cave      f Höhle    in in
        kitchen   f Küche    in in
        barn      f Scheune  in in
        staircase f Treppe   on auf
        gorge     f Schlucht in in
        field     n Feld     in auf
        valley    n Tal      in in
        house     n Haus     in in
        room      n Zimmer   in in
        village   n Dorf     in in
        roof      n Dach     on auf
        boat      n Boot     in in
        moor      n Moor     on in
    """)
)

GERMAN_ADJECTIVES = _lists("""
    small: klein
    big: groß
    old: alt
    young: jung
    white: weiß
    black: schwarz
    new: neu
    red: rot
    tired: müde
    hungry: hungrig
    thirsty: durstig
    lazy: faul
    sick: krank
    afraid: ängstlich
    nervous: nervös
    shy: schüchtern
    sleepy: schläfrig
    stubborn: stur
    wide: breit
    deep: tief
    steep: steil
    busy: belebt
    narrow: eng schmal
    long: lang
    high: hoch
    crowded: voll
    slippery: rutschig
    remote: abgelegen
    rocky: felsig
    bumpy: holprig
    swampy: sumpfig
    rotten: morsch
""")
ADJECTIVES: dict[str, str] = {german: english for english, words in GERMAN_ADJECTIVES.items() for german in words}

WHY_ANIMALS = _lists("""
    überqueren:    müde faul krank ängstlich nervös schüchtern schläfrig stur jung hungrig durstig
    durchqueren:   müde faul krank ängstlich nervös schüchtern schläfrig stur jung hungrig durstig
    hinaufsteigen: müde faul krank ängstlich nervös schüchtern schläfrig stur jung hungrig durstig
    erklimmen:     müde faul krank ängstlich nervös schüchtern schläfrig stur jung hungrig durstig
    betreten:      müde faul krank ängstlich nervös schüchtern schläfrig stur jung hungrig durstig
    erkunden:      müde faul krank ängstlich nervös schüchtern schläfrig stur jung hungrig durstig
    erreichen:     müde faul krank schläfrig jung hungrig durstig
    verlassen:     hungrig durstig krank ängstlich nervös schüchtern
    meiden:        müde faul krank ängstlich nervös schüchtern schläfrig jung
""")
AFFIRMED = ("verlassen", "meiden")


def _verbs(table: str) -> dict[str, Verb]:
    """Rows: base third past gerund particle | infinitive third past prefix, ``-`` for none; no gerund: stative."""
    verbs = {}
    for row in _rows(table):
        base, third, past, gerund, particle, infinitive, german_third, german_past, prefix = (
            "" if word == "-" else word for word in row if word != "|"
        )
        verbs[prefix + infinitive] = Verb(
            base, third, past, gerund, particle, infinitive, german_third, german_past, prefix, stative=not gerund
        )
    return verbs


MOVING = _verbs("""
    cross   crosses  crossed  crossing  - | überqueren überquert überquerte -
    cross   crosses  crossed  crossing  - | durchqueren durchquert durchquerte -
    climb   climbs   climbed  climbing  - | steigen    steigt    stieg      hinauf
    climb   climbs   climbed  climbing  - | erklimmen  erklimmt  erklomm    -
    enter   enters   entered  entering  - | betreten   betritt   betrat     -
    reach   reaches  reached  reaching  - | erreichen  erreicht  erreichte  -
    explore explores explored exploring - | erkunden   erkundet  erkundete  -
    leave   leaves   left     leaving   - | verlassen  verlässt  verließ    -
    avoid   avoids   avoided  avoiding  - | meiden     meidet    mied       -
""")
RESTING = _verbs("""
    sleep sleeps slept  sleeping -  | schlafen schläft schlief -
    wait  waits  waited waiting  -  | warten   wartet  wartete -
    play  plays  played playing  -  | spielen  spielt  spielte -
    sit   sits   sat    sitting  -  | sitzen   sitzt   saß     -
    wake  wakes  woke   waking   up | wachen   wacht   wachte  auf
""")
HANDLING = _verbs("""
    open  opens  opened  opening  -    | machen  macht  machte  auf
    close closes closed  closing  -    | machen  macht  machte  zu
    pick  picks  picked  picking  up   | heben   hebt   hob     auf
    throw throws threw   throwing away | werfen  wirft  warf    weg
    bring brings brought bringing -    | bringen bringt brachte mit
    buy   buys   bought  buying   -    | kaufen  kauft  kaufte  -
    carry carries carried carrying - | tragen trägt trug -
""")
NOTICING = _verbs("""
    see  sees  saw    -       -   | sehen  sieht  sah    -
    find finds found  -       -   | finden findet fand   -
    look looks looked looking for | suchen sucht  suchte -
""")
SAYING = _verbs("""
    know  knows  knew    -      - | wissen  weiß   wusste  -
    say   says   said    saying - | sagen   sagt   sagte   -
    think thinks thought -      - | glauben glaubt glaubte -
""")

HANDLED = _lists("""
    aufmachen:  door window letter bag book
    zumachen:   door window bag book
    aufheben:   ball letter coat key lamp cup bag book picture shirt
    wegwerfen:  ball letter coat key lamp cup bag book picture shirt
    mitbringen: ball letter coat key lamp cup bag book picture shirt
    kaufen:     ball coat key door lamp cup bag book window picture shirt
    tragen:     ball letter coat key lamp cup bag book picture shirt
""")
