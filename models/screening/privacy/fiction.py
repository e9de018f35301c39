"""Full names of famous fictional characters: they identify no person.

Only names that hardly any living person has. The name of a conversation's character comes with the conversation
(`allowed_names`).
"""

from __future__ import annotations

_NAMES = (
    # novels, plays, tales
    "sherlock holmes, john watson, james moriarty, hercule poirot, miss marple, elizabeth bennet, fitzwilliam "
    "darcy, jane eyre, edward rochester, oliver twist, ebenezer scrooge, david copperfield, huckleberry finn, tom "
    "sawyer, atticus finch, scout finch, jay gatsby, holden caulfield, captain ahab, victor frankenstein, count "
    "dracula, dorian gray, don quixote, don quijote, sancho panza, jean valjean, peter pan, captain hook, mary "
    "poppins, willy wonka, robin hood, king arthur, romeo montague, juliet capulet, anna karenina, hannibal "
    "lecter, clarice starling, jack sparrow, robinson crusoe, phileas fogg, dr jekyll, anne shirley, jo march, "
    "winston smith, hester prynne, heathcliff earnshaw, emma woodhouse, "
    # fantasy and science fiction
    "harry potter, hermione granger, ron weasley, ginny weasley, albus dumbledore, severus snape, draco malfoy, "
    "sirius black, rubeus hagrid, luna lovegood, tom riddle, lord voldemort, frodo baggins, bilbo baggins, "
    "samwise gamgee, geralt of rivia, katniss everdeen, peeta mellark, percy jackson, annabeth chase, edward "
    "cullen, bella swan, jacob black, jon snow, daenerys targaryen, tyrion lannister, cersei lannister, jaime "
    "lannister, arya stark, sansa stark, ned stark, robb stark, paul atreides, duke leto, ender wiggin, arthur "
    "dent, ford prefect, ellen ripley, sarah connor, john connor, marty mcfly, emmett brown, luke skywalker, "
    "anakin skywalker, darth vader, darth maul, han solo, princess leia, leia organa, obi-wan kenobi, padme "
    "amidala, kylo ren, boba fett, james kirk, captain kirk, jean-luc picard, captain picard, doctor strange, "
    "doctor who, "
    # comics, film and television
    "bruce wayne, clark kent, peter parker, tony stark, steve rogers, bruce banner, natasha romanoff, wanda "
    "maximoff, peter quill, diana prince, lois lane, lex luthor, harley quinn, miles morales, gwen stacy, mary "
    "jane, jessica jones, matt murdock, wade wilson, captain america, iron man, mickey mouse, minnie mouse, "
    "donald duck, bugs bunny, homer simpson, bart simpson, lisa simpson, marge simpson, peter griffin, rick "
    "sanchez, morty smith, eric cartman, walter white, jesse pinkman, saul goodman, tony soprano, don draper, "
    "michael scott, dwight schrute, sheldon cooper, rachel green, chandler bing, ross geller, monica geller, "
    "indiana jones, james bond, ethan hunt, john wick, jason bourne, forrest gump, rocky balboa, vito corleone, "
    "michael corleone, travis bickle, tyler durden, jack dawson, rose dewitt, buffy summers, dana scully, fox "
    "mulder, eleven hopper, jim hopper, wednesday addams, morticia addams, "
    # games and anime
    "lara croft, nathan drake, master chief, solid snake, cloud strife, tifa lockhart, aerith gainsborough, joel "
    "miller, ellie williams, arthur morgan, john marston, ezio auditore, leon kennedy, jill valentine, chun li, "
    "naruto uzumaki, sasuke uchiha, itachi uchiha, sakura haruno, kakashi hatake, monkey luffy, roronoa zoro, "
    "light yagami, eren yeager, mikasa ackerman, levi ackerman, armin arlert, spike spiegel, edward elric, "
    "alphonse elric, ash ketchum, son goku, tanjiro kamado, nezuko kamado, gojo satoru, satoru gojo, itadori "
    "yuji, izuku midoriya, sailor moon, hatsune miku"
)
FAMOUS = frozenset(_NAMES.split(", "))
