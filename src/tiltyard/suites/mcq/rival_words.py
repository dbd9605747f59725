"""The words by which a reply turns to another answer, or only speaks of other options, as patterns.

All run on text from `plain.py`. How they are weighed is in `rivals.py`.
"""

from __future__ import annotations

import re

_ALONE = (
    r"(?<![A-Za-zÀ-ɏ0-9_'’&/+-])(?<![A-Za-z0-9]\.)[A-ZАВСЕ]"
    r"(?![A-Za-zÀ-ɏЀ-ӿ0-9_+#*^=/&-]|['’](?![dt][iıuü]r\b))"
)
LETTER = re.compile(_ALONE)
LATIN = str.maketrans("АВСЕ", "ABCE")
SENTENCE = re.compile(
    r"(?<!\bcf)(?<!\bvs)(?<!\be\.g)(?<!\bi\.e)[.!?](?:(?![A-Za-z0-9])|(?<=[^\x00-\x7f].))|\n", re.IGNORECASE
)
MARKS = re.compile(r"[,;:、،]|(?<=\s)[-–—]+(?=\s)|—|→|[=-]>")
ARROWS = ("→", "=>", "->")
_OPTION = r"(?:(?:option|answer|choice|letter)\s+)?[(\[]?"
_AND = (
    r"(?:\s*[)\]]?\s*(?:[,/&+、]|\b(?:and|or|nor|und|oder|y|e|o|et|ou|en|of|och|og|i|lub|ve|và|hoặc|и|или"
    rf"|dan|with|to|through)\b|[和或与與及とや])\s*){{1,2}}{_OPTION}"
)
LISTED_ON = re.compile(rf"{_AND}{_ALONE}")
LISTED = re.compile(rf"{_ALONE}{_AND}\Z")
ENDS = re.compile(
    r"[ \t]*[)\]]*(?:番|번|項)?[ \t]*"
    r"(?:です|でした|だ|である|입니다|이다|이에요|예요|है|['’]?[dt][iıuü]r)?[ \t)\]]*"
    r"(?:(?:it[ \t]+is|actually|instead|then|though|really|now|after[ \t]+all)[ \t]*)?"
    r"(?:\([^()\n]{1,60}\)[ \t]*(?=[.!,;\n]|\Z))?(?P<by>[.,;!\n、،।]|\Z)",
    re.IGNORECASE,
)
_UNUSUAL = "".join(
    rf"(?<!\b{word}[ \t])"
    for word in ("common", "frequent", "typical", "classic", "usual", "easy", "popular")
)
# Words of turning, by which a model goes back on what it said; they outweigh a condition
TURNING = re.compile(
    r"\b(?:(?:second|closer|further|another)[ \t]+(?:thoughts?|look|reading|glance|reflection|inspection)"
    r"|(?:double|re)[- ]?(?:check|consider|think|read|view|examin|calculat|evaluat|visit)\w*|reflection"
    r"|check(?:ing|ed|s)?|verif(?:y|ying|ied)|review(?:ing|ed)?|hindsight|in[ \t]+fact|actually|(?:on|in"
    r"|all)[ \t]+(?:\w+[ \t]+)?(?:balance|considered)|wait|sorry|oops|typo|strike|scratch"
    rf"|{_UNUSUAL}(?:mistake|error)(?![ \t]+to\b)"
    r"|correct(?:ion|ing)|thinking[ \t]+\w+|changed[ \t]+my[ \t]+mind|again|once[ \t]+more)(?!\w)",
    re.IGNORECASE,
)
HEADING = re.compile(  # before a colon or in brackets: "Better: D", "(edit: D)", "Answer: D"
    r"\b(?:correct(?:ed)?|right|better|answer|(?<!second )(?<!next )(?:best|choice)|final(?:ly)?|edit(?:ed)?"
    r"|updated?|revised|rather|instead|to[ \t]+be[ \t]+\w+"
    r"|should[ \t]+be|so|therefore|thus|hence|nope|nein|or|(?<!see )also|fix(?:ed)?|conclusion|verdict"
    r"|in[ \t]+(?:the[ \t]+end|short|summary)|it[ \t]+is)\W*\Z",
    re.IGNORECASE,
)
OTHER_HEADING = re.compile(  # "Alternative answer: B" tells of one more, or of somebody else's
    r"\b(?:alternative|wrong|incorrect|false|second|third|possible|plausible|tempting|common"
    r"|worst|bad|initial|first|previous|earlier|original|rejected)[ \t]+(?:(?!correct\b|right\b)\w+[ \t]+)?"
    r"(?:answers?|choices?|options?|best|right|correct)\W*\Z",
    re.IGNORECASE,
)
UNREAL = re.compile(r"\b(?:had|were|asked|would)\b[^,;:]*[,;:]?[ \t]*then\b", re.IGNORECASE)
CONDITION = re.compile(r"\b(?:if|would|had|unless|when|whenever|until|otherwise)\b", re.IGNORECASE)
_NO_CASE = (  # "in short, D", "after thinking it over, D", "to be precise, D" conclude
    r"(?:(?:(?!(?:other|another|different|next|previous)\b)\w+[ \t]+){0,4}?(?:options?|choices?|answers?"
    r"|question|facts|above|table|analysis|consideration|elimination|reality|truth|guidelines|evidence"
    r"|passage|rate|these|those|asked|mind)|(?:our|the[ \t]+(?:present|given))[ \t]+\w+|(?-i:[A-Z])"
    r"|contrast|short|brief|conclusion|summary|other[ \t]+words|fact|hindsight|light|general"
    r"|the[ \t]+(?:end|whole|record)|my[ \t]+\w+|all|last|once|sure|certain|clarity|definition"
    r"|this|that|these|here|be|sum\w*|conclude|correct|clarify|put|answer"
    r"|(?:some[ \t]+)?(?:think|look|read|compar|weigh|consult|reflect|reason)ing|thought)(?!\w)"
)
CASE = re.compile(  # the case that a sentence is about, at its beginning
    r"\W*(?:(?:however|but|yet|and|also|now|note|that|conversely|similarly|likewise|only|though|while"
    r"|(?:in|by)[ \t]+contrast|on[ \t]+the[ \t]+other[ \t]+hand)[ \t,]+){0,3}"
    r"(?:without(?![ \t]+(?:an?[ \t]+|any[ \t]+)?(?:doubt|question))"
    r"|(?:in|for|with|at|under|during|among|within|by|to|from|near|before|after|throughout|inside|outside"
    r"|beyond|below|above|over|between|per|of|on|upon|as[ \t]+(?:for|to)|regarding|concerning)"
    rf"(?![ \t]+{_NO_CASE})|initially|originally|first(?![ \t]+of[ \t]+all)|at[ \t]+first|previously"
    r"|elsewhere|where|für|bei|im|pour|dans|chez|para|per|nel|для|при)(?!\w)",
    re.IGNORECASE,
)
REASON = re.compile(
    r"\W*(?:since|given|because|as|considering|seeing|da|weil|comme|puisque|como)\b", re.IGNORECASE
)
SO = re.compile(
    r"\W*(?:so|but|therefore|thus|hence|then|or|and|rather|instead|donc|also|luego|quindi|yet)\b",
    re.IGNORECASE,
)
CONCLUDED = re.compile(r"\b(?:so|therefore|thus|hence|(?:which|that)[ \t]+makes)\b[^,;:]*\Z", re.IGNORECASE)
OF_THE_PAST = re.compile(
    r"\b(?:first|almost|nearly|initially|originally|about[ \t]+to|tempt\w*|students?|people|many|some"
    r"|someone|others?|would|might|may|they|you|was|said|picked|chose|thought|considered|hesitat\w*)\b",
    re.IGNORECASE,
)
EQUALLY = re.compile(r"\b(?:equally|just[ \t]+as|alternative)\b", re.IGNORECASE)
# What may stand between the beginning of a clause and the answer that it gives
FILL = re.compile(
    r"\W*(?:(?:the[ \t]+\w+[ \t]+(?:that|which)[ \t]+(?:match|fit|appl|work)(?:e?s|ies)[ \t]+is"
    r"|the[ \t]+(?:correct|right|real|actual|true|better|best)[ \t]+\w+[ \t]+(?:is|must[ \t]+be"
    r"|should[ \t]+be)|(?:it|that|this|the[ \t]+(?:answer|one))[ \t]+(?:is|must[ \t]+be|has[ \t]+to[ \t]+be"
    r"|should[ \t]+be|may[ \t]+be"
    r"|might[ \t]+be|could[ \t]+be|can[ \t]+only[ \t]+be)|(?:it|that)['’]s|should[ \t]+be|must[ \t]+be"
    r"|c['’]est|(?:es|das)[ \t]+ist|es|è|é|это|so|then|thus|hence|therefore|but|and|or|yes|rather"
    r"|plutôt|doch|lieber|eher|mejor|mieux|meglio|melhor|donc|also|actually|really|now|instead|clearly"
    r"|definitely|probably|maybe|perhaps|certainly|surely"
    r"|simply|just|ja|oui|sí|nein|nee|nope|not[ \t]+\w+[ \t]+but|i[ \t]+mean|make[ \t]+(?:it|that)|option"
    r"|choice|answer"
    r"|letter|the|la|el|le|die|der|o|a|correct|right|правильно|equally|alternatively)(?!\w)[ \t]*){0,6}\W*"
    r"(?:应该是|應該是|应选|是|选|選)?\W*",
    re.IGNORECASE,
)
GIVES = re.compile(  # "But I now prefer D", "One could equally argue for D"
    r"\b(?:prefer|choose|pick|say|take|select|favou?r|mean|go(?:ing)?[ \t]+(?:with|for)"
    r"|opt(?:ing)?[ \t]+for|vote[ \t]+for"
    r"|settle[ \t]+(?:on|for)|stick(?:ing)?[ \t]+with|lean(?:ing)?[ \t]+to(?:wards?)?|argue[ \t]+for"
    r"|meant|ich[ \t]+meinte|voulais[ \t]+dire|quise[ \t]+decir|answer[ \t]+with"
    rf"|(?:think|believe|see)[ \t]+(?:that[ \t]+)?it[ \t]+is)[ \t]+(?:the[ \t]+)?{_OPTION}\Z",
    re.IGNORECASE,
)
CHANGED_TO = re.compile(
    rf"\b(?:chang|switch|correct|amend|updat|revis|replac)\w*\s+(?:\w+\s+){{0,3}}?(?:to|with"
    rf"|by)\s+{_OPTION}\Z",
    re.IGNORECASE,
)
THING = re.compile(
    r"\b(?:vitamins?|hepatitis|influenza|blocks?|bod(?:y|ies)|objects?|points?|types?|groups?|class|factors?"
    r"|plan|case|events?|sets?|lines?|planes?|persons?|players?|countr(?:y|ies)|compan(?:y|ies)|firms?"
    r"|part(?:y|ies)"
    r"|curves?|figure|parts?|steps?|phase|drugs?|genes?|alleles?|matri(?:x|ces)|axis|cars?|particles?"
    r"|samples?|substances?|reactions?)[ \t]+\Z",
    re.IGNORECASE,
)
_BETTER = (
    r"(?:the[ \t]+one(?=[ \t]*[.!]|\Z)|correct|right|better|best|acceptable|accepted|valid|good"
    r"|preferable|accurate"
    r"|more[ \t]+likely(?=[ \t]*[.!,;\n]|\Z)|appropriate|fitting|suitable|precise|complete|convincing"
    r"|plausible|[a-z]+er[ \t]+(?:pick|choice|answer|option|fit|bet)|richtig\w*|correcte?|correcta|correta"
    r"|corretta|juist|rätt)(?![ \t]+(?:distractors?|decoy|trap|example|illustration))"
)
FAVOURED = re.compile(  # "D is better", "C fits, too", "C is what the question asks for"
    r"[ \t]*[)\]]*(?:[ \t]*\([^()\n]{1,60}\))?[ \t]*,?[ \t]+(?:which[ \t]+)?"
    r"(?:(?:is|was|are|seems?|looks?|appears?|sounds?|feels?|ist|est|es|é|è|är|er"
    r"|(?:would|could|may|might|must|should|can)(?:[ \t]+\w+)?[ \t]+be)[ \t]+"
    rf"(?:(?!not|never|next|second|the[ \t]+opposite)[^\W\d_]+[ \t]+){{0,4}}?{_BETTER}"
    r"|(?:is|was)[ \t]+(?:exactly[ \t]+)?(?:what|the[ \t]+(?:one|\w+[ \t]+that))[ \t]+(?:\w+[ \t]+){1,3}?"
    r"(?:asks?|asked|wants?|wanted|means|meant)"
    r"|(?:fits?|works?|makes?|suits?|matches|could|might|may|applies|holds)(?:[ \t]+(?!not\b)[^\W\d_]+){0,3}?"
    r"[ \t]*,?[ \t]*(?:better|best|too|well|sense|equally|perfectly))\b",
    re.IGNORECASE,
)
ONE_ALONE = re.compile(  # before an option: "only A"; behind it: "is the correct answer"
    r"(?<!not )\bonly[ \t]+(?:option[ \t]+)?\W*\Z"
    r"|\A\W*(?:is|was)[ \t]+the[ \t]+(?:\w+[ \t]+)?(?:answer|choice|option|one|pick)\b",
    re.IGNORECASE,
)
MORE = re.compile(
    r"\b(?:better|best|more|asks?|asked|wants?|wanted|means|meant|[a-z]+er[ \t]+[a-z]+)\b", re.IGNORECASE
)
DISCOUNTS = re.compile(
    r"\b(?:tempt\w*|distract\w*|traps?|decoys?|eliminat\w*|exclud\w*|rul(?:e|es|ed|ing)|reject\w*|discard\w*"
    r"|dismiss\w*|(?:common|frequent|typical|classic|usual|easy|popular)[ \t]+error"
    r"|confus\w*|mistak\w*|mislead\w*|misconception|students?|people|many|some|someone|others?"
    r"|believe[ \t]+that|think|whether|whereas|while|unlike|instead[ \t]+of|rather[ \t]+than)\b",
    re.IGNORECASE,
)
PARTLY = re.compile(
    r"\b(?:if|when|(?<!asks )(?<!asked )for|in(?![ \t]+(?:fact|truth|reality)\b)|unless"
    r"|only|until|but|partly|partially|almost|than|n['’]t|not)\b",
    re.IGNORECASE,
)
ELSEWHERE = re.compile(
    r"(?:[ \t]+(?:answer|choice|option))?[ \t]+(?:for|in|under|with|at)[ \t]+(?!this|the|our|my|general"
    r"|fact|all)\w",
    re.IGNORECASE,
)
BUT = re.compile(r"\b(?:but|though|however|yet)\b", re.IGNORECASE)
ITEM = re.compile(  # at the beginning of a line: "C. Rome is in Italy", "Option C: Rome"
    r"[^\w\n(\[]{0,12}(?:[Oo]ption[ \t]+)?[(\[]?(?P<letter>[A-Z])[ \t]{0,3}"
    r"(?:[).:\]]{1,2}|[-–—|=]|(?=\())[ \t]*(?=[^\s])"
)
OPTION_MARK = re.compile(r"\W*option\b", re.IGNORECASE)
# Behind an item's mark or its option's text: "C. Madrid - correct", "C: Correct, ..."
ITEM_GIVEN = re.compile(
    r"\W*?(?:[✅✔☑]|(?:(?:this|that|it)[ \t]+is[ \t]+)?(?:the[ \t]+)?(?:correct|right|yes)"
    r"(?=[ \t]*(?:[^\w\s]|\n|\Z)|[ \t]+(?:answer|choice|option|one)\b))"
    r"|[^\n]*(?:[✅✔☑]|[^\w\s][ \t]*(?:correct|right|yes))[^\w\n]*\Z",
    re.IGNORECASE,
)
ITEM_TURNS = re.compile(
    r"\b(?:actually|wait|second[ \t]+thoughts?|(?:better|best|right|correct)[ \t]+(?:answer|choice|option"
    r"|one|pick))\b",
    re.IGNORECASE,
)
_GAVE = r"(?:[ \t]+(?:given|above|(?:that[ \t]+)?i[ \t]+gave))?"
OWN_WRONG = re.compile(  # "My initial answer was wrong."
    r"\b(?:(?P<mine>my)|(?P<the>the)|this|that)[ \t]+"
    r"(?:(?!(?:the|other|first|second|third|fourth|last)\b)\w+[ \t]+){0,2}?"
    rf"(?:answer|response|choice|(?(the)answer|conclusion)){_GAVE}[ \t]+(?:is|was|seems|contains"
    rf"|contained)[ \t]+"
    r"(?:(?!not\b)\w+[ \t]+){0,2}?(?:wrong|incorrect|mistaken|mistake|error|false"
    r"|not[ \t]+(?:correct|right))\b|\b(?P<i>(?:i|we)[ \t]+got[ \t]+(?:it|this|that)[ \t]+wrong"
    r"|what[ \t]+i[ \t]+(?:said|wrote)[ \t]+(?:is|was)[ \t]+wrong"
    r"|(?:mistake|error)[ \t]+in[ \t]+my[ \t]+\w+)\b",
    re.IGNORECASE,
)
ONLY_IF = re.compile(
    r"\b(?:if|whether|in[ \t]+case|unless|let[ \t]+me[ \t]+know|hope|should)\b", re.IGNORECASE
)
SAID_FIRST = re.compile(
    r"\W*(?:(?:so|but|and|now|however|unfortunately|actually|sorry|oh|no)\W+){0,3}", re.IGNORECASE
)
WRONG_ABROAD = re.compile(
    r"\b(?:diese|meine|cette|ma|mi|esta|la\s+mia|questa|minha|essa|мой|этот|moja|min|mijn|dit)\s+"
    r"(?:antwort|réponse|respuesta|risposta|resposta|ответ|odpowiedź|svar|antwoord)\s+\w+\s+"
    r"(?:falsch|fausse|incorrect\w*|errónea|equivocada|sbagliata|errata|errada|неверн\w*|неправильн\w*"
    r"|błędna|fel|fout)\b",
    re.IGNORECASE,
)
CONTRAST = re.compile(r",[ \t]*(?:and[ \t]+)?not[ \t][^,;:]*\Z", re.IGNORECASE)
IT_IS = re.compile(r"[ \t]+(?:it[ \t]+is|then|actually|instead|rather)[ \t]*\Z", re.IGNORECASE)
NOT_THAT = re.compile(  # "D, not A."
    r"[ \t)\]]*,[ \t]*(?:and[ \t]+)?(?:not|rather[ \t]+than)[ \t]+(?:option[ \t]+)?[(\[]?[A-Z][)\]]?"
    r"[ \t]*(?:[.!\n]|\Z)"
)
PRONOUN = re.compile(r"\b(?:it|that|this|answer|one)\b", re.IGNORECASE)
OF_ALL = re.compile(
    r"(?:all|both|each)[ ](?:of[ ])?(?:the|these|those|them|above|options|answers|choices|\w+[ ]and)\b"
)
OF_ITSELF = re.compile(r"\b(?:right|correct|sure|certain|really|answer)\b", re.IGNORECASE)
