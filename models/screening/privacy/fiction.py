"""Names of widely known figures, of fiction and history: they identify no private person.

Only full names that hardly any private person has, and single names that stand for one figure. The list is fixed, so
nobody can add a name to it. The name of a conversation's character comes with the conversation (`allowed_names`).
"""

from __future__ import annotations

from functools import lru_cache

from models.screening.privacy.evidence import WORD, lists, plain

_NAMES = (
    # novels, plays, tales
    "sherlock holmes, john watson, james moriarty, hercule poirot, miss marple, elizabeth bennet, "
    "fitzwilliam darcy, jane eyre, edward rochester, oliver twist, ebenezer scrooge, david copperfield, "
    "huckleberry finn, tom sawyer, atticus finch, scout finch, jay gatsby, holden caulfield, captain "
    "ahab, victor frankenstein, count dracula, dorian gray, don quixote, don quijote, sancho panza, jean "
    "valjean, peter pan, captain hook, mary poppins, willy wonka, robin hood, king arthur, romeo "
    "montague, juliet capulet, anna karenina, hannibal lecter, clarice starling, jack sparrow, robinson "
    "crusoe, phileas fogg, dr jekyll, anne shirley, jo march, winston smith, hester prynne, heathcliff "
    "earnshaw, emma woodhouse, "
    # fantasy and science fiction
    "harry potter, hermione granger, ron weasley, ginny weasley, albus dumbledore, severus snape, draco "
    "malfoy, sirius black, rubeus hagrid, luna lovegood, tom riddle, lord voldemort, frodo baggins, bilbo "
    "baggins, samwise gamgee, geralt of rivia, katniss everdeen, peeta mellark, percy jackson, annabeth "
    "chase, edward cullen, bella swan, jacob black, jon snow, daenerys targaryen, tyrion lannister, "
    "cersei lannister, jaime lannister, arya stark, sansa stark, ned stark, robb stark, paul atreides, "
    "duke leto, ender wiggin, arthur dent, ford prefect, ellen ripley, sarah connor, john connor, marty "
    "mcfly, emmett brown, luke skywalker, anakin skywalker, darth vader, darth maul, han solo, princess "
    "leia, leia organa, obi-wan kenobi, padme amidala, kylo ren, boba fett, james kirk, captain kirk, "
    "jean-luc picard, captain picard, doctor strange, doctor who, "
    # comics, film and television
    "bruce wayne, clark kent, peter parker, tony stark, steve rogers, bruce banner, natasha romanoff, "
    "wanda maximoff, peter quill, diana prince, lois lane, lex luthor, harley quinn, miles morales, gwen "
    "stacy, mary jane, jessica jones, matt murdock, wade wilson, captain america, iron man, mickey mouse, "
    "minnie mouse, donald duck, bugs bunny, homer simpson, bart simpson, lisa simpson, marge simpson, "
    "peter griffin, rick sanchez, morty smith, eric cartman, walter white, jesse pinkman, saul goodman, "
    "tony soprano, don draper, michael scott, dwight schrute, sheldon cooper, rachel green, chandler "
    "bing, ross geller, monica geller, indiana jones, james bond, ethan hunt, john wick, jason bourne, "
    "forrest gump, rocky balboa, vito corleone, michael corleone, travis bickle, tyler durden, jack "
    "dawson, rose dewitt, buffy summers, dana scully, fox mulder, eleven hopper, jim hopper, wednesday "
    "addams, morticia addams, "
    # games and anime
    "lara croft, nathan drake, master chief, solid snake, cloud strife, tifa lockhart, aerith "
    "gainsborough, joel miller, ellie williams, arthur morgan, john marston, ezio auditore, leon kennedy, "
    "jill valentine, chun li, naruto uzumaki, sasuke uchiha, itachi uchiha, sakura haruno, kakashi "
    "hatake, monkey luffy, roronoa zoro, light yagami, eren yeager, mikasa ackerman, levi ackerman, armin "
    "arlert, spike spiegel, edward elric, alphonse elric, ash ketchum, son goku, tanjiro kamado, nezuko "
    "kamado, gojo satoru, satoru gojo, itadori yuji, izuku midoriya, sailor moon, hatsune miku"
)
_HISTORY = (
    # antiquity and religion
    "julius caesar, gaius julius caesar, mark antony, marc antony, marcus antonius, augustus caesar, "
    "gnaeus pompey, marcus crassus, marcus licinius crassus, marcus brutus, marcus aurelius, alexander "
    "the great, cleopatra selene, ptolemy xiii, ptolemy caesarion, gaius octavian, genghis khan, attila "
    "the hun, king solomon, king david, john the baptist, jesus christ, virgin mary, mary magdalene, "
    "pontius pilate, joan of arc, marco polo, "
    # rulers and politics
    "abraham lincoln, george washington, thomas jefferson, benjamin franklin, theodore roosevelt, "
    "franklin roosevelt, franklin d roosevelt, franklin delano roosevelt, john f kennedy, john kennedy, "
    "robert kennedy, lyndon johnson, lyndon b johnson, richard nixon, ronald reagan, bill clinton, "
    "hillary clinton, george bush, george w bush, barack obama, michelle obama, donald trump, joe biden, "
    "kamala harris, winston churchill, margaret thatcher, tony blair, boris johnson, theresa may, adolf "
    "hitler, joseph goebbels, joseph stalin, vladimir lenin, vladimir putin, mikhail gorbachev, leon "
    "trotsky, karl marx, friedrich engels, mao zedong, fidel castro, che guevara, nelson mandela, mahatma "
    "gandhi, indira gandhi, jawaharlal nehru, narendra modi, angela merkel, emmanuel macron, napoleon "
    "bonaparte, francisco franco, simón bolívar, queen elizabeth, queen victoria, king henry, henry viii, "
    "marie antoinette, princess diana, prince william, prince harry, meghan markle, kate middleton, "
    "saddam hussein, osama bin laden, "
    # rights and faith
    "martin luther, martin luther king, martin luther king jr, martin luther king junior, coretta scott "
    "king, rosa parks, malcolm x, bayard rustin, ralph abernathy, john lewis, frederick douglass, harriet "
    "tubman, mother teresa, dalai lama, anne frank, susan b anthony, gloria steinem, emmett till, medgar "
    "evers, jesse jackson, "
    # science and thought
    "isaac newton, sir isaac newton, albert einstein, galileo galilei, johannes kepler, nicolaus "
    "copernicus, tycho brahe, robert hooke, robert boyle, edmond halley, edmund halley, christopher wren, "
    "gottfried leibniz, gottfried wilhelm leibniz, rené descartes, rene descartes, blaise pascal, charles "
    "darwin, marie curie, pierre curie, nikola tesla, thomas edison, alexander graham bell, michael "
    "faraday, james watt, louis pasteur, gregor mendel, sigmund freud, carl jung, carl sagan, stephen "
    "hawking, richard feynman, alan turing, ada lovelace, neil armstrong, buzz aldrin, yuri gagarin, "
    "immanuel kant, friedrich nietzsche, john locke, david hume, jean-jacques rousseau, francis bacon, "
    "isaac barrow, john flamsteed, simone de beauvoir, "
    # art and letters
    "william shakespeare, charles dickens, jane austen, mark twain, oscar wilde, edgar allan poe, ernest "
    "hemingway, virginia woolf, george orwell, agatha christie, arthur conan doyle, leo tolstoy, fyodor "
    "dostoevsky, franz kafka, victor hugo, miguel de cervantes, gabriel garcía márquez, pablo neruda, jk "
    "rowling, j.k. rowling, stephen king, jrr tolkien, j.r.r. tolkien, cs lewis, c.s. lewis, dr seuss, "
    "leonardo da vinci, michelangelo buonarroti, vincent van gogh, pablo picasso, frida kahlo, salvador "
    "dalí, salvador dali, claude monet, andy warhol, walt disney, johann sebastian bach, johann christian "
    "bach, wolfgang amadeus mozart, ludwig van beethoven, joseph haydn, franz joseph haydn, antonio "
    "salieri, frédéric chopin, franz schubert, franz liszt, richard wagner, clara schumann, giuseppe "
    "verdi, carl czerny, "
    # stage, screen, sport, money
    "taylor swift, justin bieber, lady gaga, britney spears, michael jackson, elvis presley, john lennon, "
    "paul mccartney, ringo starr, george harrison, freddie mercury, david bowie, bob dylan, bob marley, "
    "kurt cobain, jimi hendrix, elton john, katy perry, ed sheeran, ariana grande, selena gomez, miley "
    "cyrus, kanye west, kim kardashian, snoop dogg, whitney houston, celine dion, mariah carey, bruno "
    "mars, billie eilish, harry styles, justin timberlake, garth brooks, frank sinatra, johnny cash, "
    "dolly parton, marilyn monroe, audrey hepburn, charlie chaplin, bruce lee, jackie chan, tom hanks, "
    "tom cruise, brad pitt, angelina jolie, leonardo dicaprio, johnny depp, julia roberts, morgan "
    "freeman, robin williams, jim carrey, will smith, keanu reeves, emma watson, daniel radcliffe, "
    "jennifer lawrence, scarlett johansson, robert downey jr, clint eastwood, steven spielberg, george "
    "lucas, quentin tarantino, alfred hitchcock, stan lee, oprah winfrey, ellen degeneres, jimmy fallon, "
    "david letterman, michael jordan, lebron james, kobe bryant, tom brady, serena williams, roger "
    "federer, muhammad ali, mike tyson, lionel messi, cristiano ronaldo, david beckham, tiger woods, babe "
    "ruth, usain bolt, bill gates, steve jobs, elon musk, mark zuckerberg, jeff bezos, warren buffett, "
    "shah rukh khan, salman khan, amitabh bachchan, sachin tendulkar, virat kohli, ms dhoni, iron maiden, "
    "pearl jam, alice cooper, jack daniels, jim beam, johnnie walker, tim hortons, ben jerry, santa "
    "claus, father christmas, mother nature, jane doe, john doe, uncle sam, big brother"
)
# Single names that are also first or last names, but stand for one figure in a chat.
_ALONE = (
    "jesus, god, allah, buddha, muhammad, moses, zeus, hera, apollo, athena, hercules, achilles, "
    "odysseus, caesar, antony, octavian, pompey, brutus, ptolemy, arsinoe, batiatus, crixus, crassus, "
    "plato, aristotle, socrates, xenophon, plutarch, homer, virgil, cicero, seneca, napoleon, lincoln, "
    "churchill, hitler, stalin, lenin, gandhi, mandela, obama, trump, newton, einstein, darwin, galileo, "
    "mozart, beethoven, bach, haydn, salieri, shakespeare, picasso, madonna, beyonce, beyoncé, rihanna, "
    "adele, eminem, drake, shakira, prince, bono, elvis, harry, ron, hermione, dumbledore, voldemort, "
    "snape, hagrid, neville, draco, sirius, frodo, gandalf, bilbo, legolas, sauron, sherlock, watson, "
    "moriarty, dracula, frankenstein, batman, superman, spiderman, robin, joker, hulk, thor, loki, yoda, "
    "vader, luke, leia, kirk, spock, pikachu, mario, luigi, zelda, sonic, goku, naruto, sasuke, barbie, "
    "elsa, simba, dumbo, garfield, snoopy, scooby, shrek, alexa, siri, cortana, santa, cupid, satan, "
    "lucifer, romeo, juliet, hamlet, macbeth, othello, ophelia, merlin, lancelot, guinevere, spartacus, "
    "cleopatra, holmes"
)
# Names by which figures of one world call each other. They stay where the character is one of them.
_WORLDS = (
    "harry ron hermione ginny draco neville luna cedric fred george sirius remus tom potter weasley "
    "granger malfoy riddle voldemort dumbledore snape hagrid lily james",
    "frodo sam merry pippin gandalf aragorn arwen legolas gimli boromir bilbo baggins",
    "jon arya sansa bran robb ned stark tyrion cersei jaime lannister daenerys targaryen joffrey",
    "luke leia han anakin obi-wan yoda vader chewbacca lando skywalker solo organa padme",
    "tony steve bruce natasha clint thor loki peter wanda stephen stark rogers banner parker bucky",
    "bruce clark diana lois alfred wayne kent joker harley robin",
    "sherlock holmes john watson mycroft moriarty mary irene adler lestrade",
    "julius caesar cleopatra antony octavian octavia augustus brutus cassius pompey pompeia calpurnia "
    "cornelia servilia crassus cato cicero ptolemy arsinoe caesarion alexander selene philadelphus isis "
    "soter auletes berenice tryphaena",
    "spartacus crixus gannicus oenomaus castus batiatus lentulus crassus sura varinia",
    "martin luther king coretta rosa parks malcolm ralph abernathy bayard montgomery",
    "isaac newton leibniz hooke halley robert edmond edmund john locke barrow descartes kepler galileo "
    "hannah",
    "ludwig beethoven haydn mozart czerny schubert goethe karl johann christian neefe napoleon josephine "
    "elise therese giulietta",
    "socrates plato aristotle xenophon xanthippe crito phaedo alcibiades meletus anytus glaucon",
    "romeo juliet tybalt mercutio benvolio paris",
    "elizabeth darcy jane bingley wickham lydia bennet",
    "naruto sasuke sakura kakashi itachi",
    "eren mikasa armin levi",
    "katniss peeta gale prim",
)
FAMOUS = frozenset(f"{_NAMES}, {_HISTORY}".split(", "))
_ORDINARY_TOO = frozenset(
    "harry ron robin luke mario neville prince drake luigi adele homer watson kirk lincoln elsa newton".split()
)


_SHORT = 5


@lru_cache(maxsize=1)
def _single() -> frozenset[str]:
    """Words that stand for one figure: those listed, and last words of the full names that are nobody's else."""
    first, last = lists()
    words = {name.split()[-1] for name in FAMOUS if len(name.split()[-1]) > _SHORT}
    return (frozenset(_ALONE.split(", ")) | (words - first - last)) - _ORDINARY_TOO


def is_known_figure(name: str, in_full: bool = False) -> bool:
    """Whether a name is a listed figure's full name, or (not `in_full`) only words that stand for one figure each."""
    words = [plain(word) for word in WORD.findall(name)]
    return " ".join(words) in _full() or (not in_full and bool(words) and _single().issuperset(words))


@lru_cache(maxsize=1)
def _full() -> frozenset[str]:
    return frozenset(" ".join(plain(word) for word in WORD.findall(name)) for name in FAMOUS)


@lru_cache(maxsize=256)
def world_of(name: str) -> frozenset[str]:
    """The single names that stand for figures of a character's world; none for a character that is no known figure."""
    words = [plain(word) for word in WORD.findall(name)]
    if not is_known_figure(name) and not any(is_known_figure(word) for word in words):
        return frozenset()
    worlds = (frozenset(world.split()) for world in _WORLDS)
    near = [world for world in worlds if not world.isdisjoint(words)]
    return frozenset(words).union(*near)
