"""The words by which models name an answer, in the languages they are asked in, as patterns.

All run on text from `plain.py`. How they are weighed against each other is in `extract.py`.
"""

from __future__ import annotations

import re

_NOT_WORD = r"(?![^\W_]|['’][^\W\d_])"  # after a letter that stands alone
# The same where scripts without blanks may follow, or the "is" of Turkish: "B'dir"
_END = r"(?![A-Za-zÀ-ɏ0-9_]|['’](?![dt][iıuü]r\b)[A-Za-z])"
_FILLER = (
    r"(?:(?:the\s+)?(?:(?:correct|right|best)\s+)?(?:option|choice|letter|answer|statement)|a\s+letra"
    r"|letra|la\s+lettre|la\s+letra"
    r"|la|la\s+opción|opción|a\s+opção|opção|l['’]opzione|opzione|l['’]option|der\s+Buchstabe"
    r"|Buchstabe|вариант|буква|选项|選項|選択肢)"
)
CERTAINLY = (
    r"(?:definitely|certainly|clearly|surely|obviously|undoubtedly|probably|(?:most[ \t]+)?likely"
    r"|(?:without[ \t]+(?:an?[ \t]+|any[ \t]+)?|no[ \t]+)doubt)"
)
ANSWER_AT = re.compile(
    rf"\s*(?:{_FILLER}\s*[:.]?\s*){{0,3}}[(\[<]?\s*([A-Za-z]){_END}[ \t]*[)\]>]?", re.IGNORECASE
)

BOXED = re.compile(r"(?:\\fbox|(?<!\w)\\?boxed)\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")

_MODIFIER = (
    r"(?:(?:final|correct|right|best|my|chosen|selected|appropriate"
    r"|most\s+(?:likely|plausible|probable|accurate|reasonable|suitable|logical|fitting))\s+){0,6}"
)
_MISSPELT = r"an(?:ws|w|s)ers?|asnwers?|awnsers?"
_NOUN = (
    rf"(?:answers?|{_MISSPELT}|ans|choice|option|selection|solution|result|letter|response|verdict|conclusion"
    r"|final)"
)
_SURELY = (
    r"(?:\s*[,:]?\s*(?:therefore|thus|then|hence|clearly|definitely|certainly|indeed|actually"
    r"|most likely|likely|probably|obviously|simply|still|also|indeed|in fact|of course)\b,?)*"
)
_COPULA = (
    r"(?:is|would be|must be|should be|has to be|will be|ought to be|would have to be"
    r"|appears to be|seems to be|are)"
)

_FOREIGN = (
    r"(?:richtig|korrekt)(?=\s+ist)|(?:richtige|korrekte|beste)\s+(?:option|wahl)(?=\s+ist)|gabarito"
    r"|правильный\s+вариант|(?<!\w)(?<![а-яё] )(?:наиболее |самый )?верный\s+вариант"
    r"|(?:letra|alternativa|opci[oó]n|opção|lettera|opzione)"
    r"(?=\s+(?:correc?ta|corretta|más\s+adecuada|più\s+(?:appropriata|adatta)|mais\s+(?:adequada|apropriada))\b)"
    r"|je\s+(?:pense|crois)\s+que\s+c['’](?=est\b)"
    r"|(?<!no )(?<!não )(?:creo|pienso|penso|acho)\s+que(?=\s+(?:es|é|è)\b)"
    r"|antwort|lösung|réponse|reponse|respuesta|solución|risposta|resposta|ответ(?:ом)?|відповідь|antwoord"
    r"|svar(?:et)?(?!\w)|odpowied(?:ź|zią)"
    r"|odpověď|odpoveď|cevap|yanıt|الإجابة|الجواب|उत्तर|जवाब|đáp án|trả lời|jawaban(?:nya)?|vastaus|válasz"
    r"|răspuns(?:ul)?|απάντηση|คำตอบ|ה?תשובה|پاسخ"
)
SO_ABROAD = (  # "Die Antwort ist daher C.", "La respuesta es, por lo tanto, C."
    r"(?:also|daher|somit|damit|folglich|deshalb|demnach|donc|alors|ainsi|por\s+(?:lo\s+)?tanto|entonces"
    r"|portanto|então|assim|quindi|dunque|perciò|pertanto|dus|daarom|alltså|więc)"
)
_QUALITY = (
    r"(?:\s+(?:(?:la\s+)?(?:más\s+adecuada|plus\s+appropriée|più\s+(?:appropriata|adatta)|mais\s+(?:adequada|apropriada))"
    r"|correct[ae]?|corretta|correta|correcte|certa|giusta|richtige|juiste|corect|الصحيحة|الصحيح"
    r"|đúng|yang benar|benar|final))?"
)
_FOREIGN_COPULA = (
    r"(?:\s*(?:ist|lautet|wäre|est|es|é|è|to|és|jest|je|является|is|er|är|on|este|adalah"
    rf"|هي|هو|है|là|είναι|คือ|היא)(?!\w)(?:\s+a(?=\s+[A-Z]\b)|,?\s+{SO_ABROAD}\b,?)?)?"
)

# The correct answer (to this question) is (B)
STATED = re.compile(
    rf"(?<![^\W_])(?<!\bof )(?:{_MODIFIER}(?P<noun>{_NOUN})"
    r"|(?:correct|right|best|closest)\s+(?:one|statement|match|fit|guess"
    rf"|pick|letter)|one\s+that\s+fits\s+best"
    rf"|closest(?!\s+(?:competitor|contender|rival|distractor|alternative)))"
    r"(?:\s+(?:among|out\s+of|of|from)\s+[A-Z](?:\s*,\s*(?:and\s+)?[A-Z]|\s+and\s+[A-Z])+(?=\s+is\b))?"
    r"(?P<between>,?(?:\s+(?:that|which)\s+is\s+(?:the\s+)?(?:most\s+\w+|correct|right|best|true)(?=\s)"
    r"|\s+(?:that\s+)?we\s+are\s+(?:looking|searching)\s+for(?=\s))?"
    rf"(?:\s+(?!(?!answers\s+(?:the|this|your)\b){_NOUN}\b|is\b|not\b|isn|are\b|[A-Z]\s+(?:is|must|are)\b|(?!I\b)[A-Z]\s+would\b)"
    rf"[\w'’,?·-]+){{0,14}}?)\s+{_COPULA}\b{_SURELY}\s*:?",
    re.IGNORECASE,
)
_TO_IT = r"(?:[ \t]+(?:to|for)[ \t]+(?:(?:the|this|your)[ \t]+)?question(?:[ \t]+1)?)?"
LABELS = (
    # Answer: B   **Final answer** - (B)   answer = b   "answer": "B"
    re.compile(
        rf"(?<![^\W_]){_MODIFIER}{_NOUN}(?:[ _]letter)?{_TO_IT}\s*(?:[-=]>|[:=→➜➔⇒]|[ \t][-–—](?=[ \t])"
        rf"|\bis\s*[:=])(?:\s*{_COPULA}\b)?{_SURELY}",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?<![^\W_])(?:my\s+)?(?:selected|chosen|picked|pick)(?:\s+(?:option|answer|choice))?\s*[:=]",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?<![^\W_])ans\.?(?=\s*[(\[]?[A-Z]\b)|(?<![^\W_])answer(?:['’]s)?(?=\s+[(\[]?[A-Z][)\].]?\s*$)",
        re.IGNORECASE | re.MULTILINE,
    ),
    STATED,
    re.compile(  # Answer key: B   Correct: B   Assistant: B, and nothing else on the line
        r"^[^\w\n]{0,9}(?:(?:answer[ \t]+)?key|correct|assistant)[ \t]*:(?=[ \t]*[(\[]?[A-Z][)\]]?[^\w\n]*$)",
        re.IGNORECASE | re.MULTILINE,
    ),
    re.compile(rf"(?<!\w)(?:{_FOREIGN}){_QUALITY}{_FOREIGN_COPULA}\s*[:=—–-]?", re.IGNORECASE),
    re.compile(
        r"(?:正确|正確|最终|最終|因此|所以|最佳)?(?:的)?(?:答案|选项|選項|回答)(?:应该|應該)?(?:是|为|為|选|選)?\s*[:=]?|(?:选择|選擇|选"
        r"|選)(?=\s*:?\s*[A-Z(])\s*:?|(?:答え|正解|回答|答)(?:は)?\s*[:=、]?|(?:정답|(?<!오)답)(?:은|는)?\s*[:=]?"
    ),
)
ENGLISH = 5  # so many of them, the first
QUESTION_AND_A = re.compile(
    rf"^[ \t]{{0,20}}Q\s?:[^\n]*\n[ \t]{{0,20}}A\s?[:.]\s{{0,4}}[(\[]?([A-Za-z]){_NOT_WORD}[)\]]?[\s.]*$",
    re.MULTILINE,
)

ANSWERED = re.compile(rf"\A\s{{0,9}}A\s?:[ \t]{{0,4}}[(\[]?([A-Z]){_NOT_WORD}[)\]]?(?:[.:]?[ \t]+|[\s.]*\Z)")

_CLAUSE_END = (
    r"(?=\s*(?:[.,;:!)\]\n]|$|[-–—]\s)|\s+(?:because|since|as|for|and|which|here|due|over|rather"
    r"|instead)\b|\s*\()"
)
CHOSEN = re.compile(
    r"(?:(?<![^\W_])(?:(?:i|we)(?:['’]d have to|['’]d|['’]ll|['’]m|['’]ve| would| will| am| are"
    r"| have to| must| should)?(?:\s+ultimately)?\s+(?:go(?:ing)?\s+with|chose|choose|choosing|picked|pick"
    r"|select(?:ed)?|lean(?:ing)?\s+(?:more\s+|slightly\s+|strongly\s+)?towards?|go(?:ing)?\s+for|answer"
    r"|say|opt\s+for|vote\s+for|left\s+with|settle\s+on|stick(?:ing)?\s+with)"
    r"|go(?:ing)?\s+with|my\s+(?:(?:best|final)\s+)?(?:choice|pick|guess|selection|vote)\s+(?:is"
    r"|would\s+be|goes\s+to)"
    r"|(?:this|that|it|which|everything|(?<!some\s)evidence|(?<!not\s)all)\s+(?:clearly\s+"
    r"|strongly\s+)?points\s+(?:us\s+)?to(?:wards?)?"
    r"|not\s+(?:\w+\s+)?(?:sure|certain),?\s+but|it\s+can\s+only\s+be"
    r"|it(?:['’]s|\s+is|\s+must\s+be|\s+has\s+to\s+be|\s+would\s+be|\s+should\s+be)"
    r"|that(?:['’]s|\s+is|\s+leaves(?:\s+us\s+with)?|\s+would\s+be|\s+must\s+be)"
    r"|(?:which|this)\s+(?:is|leaves|makes\s+it|corresponds\s+to|matches|means)|leaving(?:\s+us\s+with)?"
    r"|leaves(?:\s+us\s+with)?|corresponds\s+to"
    r"|(?<=[.!:]\s)(?:choose|select|pick)(?=\s+(?:option\s+)?[(\[]?(?-i:[A-Z])[)\]]?(?:[.!]|[ \t]*(?:\n|\Z)))"
    r"|if\s+i\s+ha(?:d|ve)\s+to\s+(?:pick|choose|guess)(?:\s+one)?|therefore|thus|hence|so)(?:\s*,)?)"
    r"\s+(?:(?:definitely|certainly|clearly|surely|obviously|undoubtedly|probably|(?:most\s+)?likely)\s+)?"
    rf"(?:(?:only\s+)?(?:the\s+)?(?:option|choice|answer"
    rf"|letter)\s+)?(?P<wrapped>[(\[])?\s*(?P<letter>[A-Za-z]){_NOT_WORD}\s*[)\]]?{_CLAUSE_END}"
    r"(?!\s*(?:,|/)?\s*(?:and|or)\s+[(\[]?(?:[A-Z]|(?-i:[IVX]{2,4}))(?![^\W_]))"
    r"(?!\s*[,/]\s*[(\[]?(?!I\s+(?:think|guess|believe)\b)[A-Z](?![^\W_]))"
    r"(?!\s+(?:as|for)\s+(?:(?:an?|the)\s+)?(?:\w+\s+)?(?:wrong|incorrect|false|eliminat\w+|exclu\w+|distractor"
    r"|one\s+(?:to|i\s+would)|one\s+that\s+is\s+(?:not|wrong|incorrect|false))\b)",
    re.IGNORECASE,
)
DECLARED = re.compile(
    r"(?<!neither )(?<!nor )(?<!and )(?<!or )(?<!whether )(?<!if )(?<!that )(?<!\b[A-Z], )(?<!not )"
    rf"(?<!only )(?<![\w'’/&])(?P<named>(?:option|choice|answer|letter"
    rf"|statement|antwort|antwoord|odpowiedź|svar(?:et)?|réponse|respuesta|risposta|resposta|opción"
    rf"|opzione|opção"
    rf"|alternativa)\s+)?[(\[]?(?P<letter>[A-Za-z]){_NOT_WORD}[)\]]?(?:\s*[:.]?\s*\([^()\n]{{1,60}}\)"
    rf"|[.:)]\s*(?P<between>[^.\n:]{{1,80}}?))?\s*,?\s+(?=[fmwsialhejéèä])"
    r"(?:(?:(?:fits|matches|works|suits\s+it)\s+best|makes\s+(?:the\s+)?most\s+sense)"
    r"(?=\s*(?:[.!,;)\n]|$)|\s+(?:here|because|since|as)\b)"
    r"|(?:is|(?:seems|appears|looks)(?:\s+to\s+be)?|would\s+be|must\s+be|has\s+to\s+be|ist|est|es|é"
    r"|è|és|jest|är|er)\s+(?:clearly\s+|definitely\s+|indeed\s+|therefore\s+|thus\s+|obviously\s+|also\s+)?"
    r"(?:the\s+one(?=\s*[.!\n]|\s*$)|what\s+(?:remains|i\s+would\s+(?:choose|pick))(?=\s*[.!\n]|\s*$)"
    r"|my\s+(?:final\s+|best\s+)?(?:answer|choice|pick|guess)"
    r"|the\s+only\s+(?:possible|valid|remaining|plausible|sensible)\s+(?:answer|choice|option|one)"
    r"|the\s+only\s+(?:plausible|sensible|logical|reasonable|coherent|suitable|appropriate)\s+\w+(?=\s*(?:[.!\n]|$))"
    r"|(?:the\s+|die\s+|la\s+|a\s+)?(?:only\s+|most\s+)?(?:correct|right|best|answer|richtig|korrekt"
    r"|richtige|correcte?|correcta|correta|corretta|bonne|juiste?|poprawna|prawidłowa|rätt|riktig|rigtig"
    r"|most\s+(?:accurate|appropriate|likely|plausible|reasonable|suitable|fitting|logical|probable|sensible)"
    r"(?=\s*(?:[.,;!)\n]|$)|\s+(?:answer|option|choice|one|of|because|since|here|given|based"
    r"|among)\b)))\b)(?!\s*(?:(?:answer|choice|option|one)\s*)?\?)",
    re.IGNORECASE,
)
DECLARED_ALIEN = re.compile(
    rf"(?:选项|選項|選択肢)?\s*[(\[]?(?P<letter>[A-Z]){_END}[)\]]?\s*(?:选项|選項|项|項)?(?:が正解|が正しい|是正确|是正確|正确|正確|是对的|가\s*정답"
    rf"|이\s*정답|가\s*맞|верный|правильный|является правильным)"
    r"(?!\s*(?:だと(?:言(?!え)|いう)|では|じゃな|でな|ですか|か|[이가]\s*아|吗|嗎|的?[吗嗎]|的可能|的[话話]|\?))"
)
MAKES = re.compile(  # "That makes B the right answer."
    r"(?:(?:^|[.!?;:,]\s+|\b(?:and|so|but)\s+)(?:that|this|which)\s+makes"
    r"|(?:^|[.!?]\s+)(?:the|this|these)\s+(?:(?!(?:that|which|who|would|could|might|may)\b)[\w'’-]+\s+){1,4}makes?|,\s+making)\s+(?:option\s+|choice\s+|answer\s+)?[(\[]?"
    rf"(?P<letter>(?-i:[A-Z])){_NOT_WORD}[)\]]?(?:\s*\([^()\n]{{1,60}}\))?"
    r"\s+(?:as\s+)?the\s+(?:only\s+|most\s+\w+\s+)?"
    r"(?:correct|right|best|answer|choice|option)\b(?:\s+(?:answer|choice|option|one)\b)?(?![^.!\n]{0,80}\?)",
    re.IGNORECASE | re.MULTILINE,
)
CONCLUDED = re.compile(  # a reply that ends with "So Paris.": what stands behind it may be an option's text
    r"(?:^|[.!:;,)\n]\s+)(?:(?:so|therefore|thus|hence)[,:]?\s+(?:it\s+(?:is|must\s+be)\s+|it['’]s\s+"
    r"|i\s+(?:choose|pick|select)\s+)?|(?:that|which|this)\s+leaves(?:\s+us\s+with)?\s+"
    r"|i\s+(?:choose|pick|select)\s+)(?=[^.!?\n]{1,200}[\s.!]{0,20}\Z)",
    re.IGNORECASE,
)

CLAUSE_BEFORE = re.compile(
    r"(?:^|[^\w\s'’&/-]|\n|\b(?:so|therefore|thus|hence|think|believe|say|but|since|because|making|makes"
    r"|clearly|however|then|conclude|means|while|which|sure|yes|no|case|and|dass|denn|da|que))[\s(\[]*$",
    re.IGNORECASE,
)
MATCHED = re.compile(r"(?:which|this|that)\s+(?:is|matches|corresponds)|corresponds|that['’]s", re.IGNORECASE)
TEXT_DECLARED = re.compile(  # behind an option's text: "France is the right answer"
    r"\b(?:is|are|would\s+be|must\s+be|has\s+to\s+be)\s+(?:clearly\s+|definitely\s+|therefore\s+|thus\s+)?"
    r"(?:(?:(?:the|a)\s+)?(?:only\s+)?(?:correct|right|best)(?:\s+(?:answer|choice|option|one))?"
    r"|the\s+answer)(?=\s*(?:[.!,;)\n]|$)|\s+(?:because|since|as|here)\b)",
    re.IGNORECASE,
)
BEST_LABEL = re.compile(  # the whole reply is "Next best step: C"
    r"\W*(?:the )?(?:(?:next )?best"
    r"|most (?:likely|appropriate|probable|suitable|accurate|plausible|reasonable))"
    r"(?: (?:next|initial|answer|option|choice|step|action|diagnosis|treatment|therapy|management|test|drug"
    r"|fit|match|guess|pick|cause|explanation|conclusion|interpretation|statement|description|here"
    r"|(?:in|of) (?:the )?(?:management|treatment|diagnosis|these|all))){0,4}"
    r"[ \t]*:[ \t*]*[(\[]?([A-Z])[)\].*]*\s*",
    re.IGNORECASE,
)
NOT_BUT = re.compile(
    r"(?:(?i:\b(?:not|nicht|pas|no\s+es|non(?:\s+è)?|não(?:\s+é)?|не))\s+|不是\s*|(?=[(\[]?[A-Z][)\]]?ではなく))"
    r"(?:option\s+)?[(\[]?(?:[A-Z]|[БГД](?![^.!?\n]{1,12}[BE]))[)\]]?(?:\s*\([^()\n]{1,60}\))?\s*,?\s*"
    r"(?:\b(?:but|sondern|mais|sino|ma|mas(?:\s+sim)?|а)\s+|而是\s*|ではなく[、,]?\s*)(?:rather\s+)?(?:option\s+)?"
    rf"[(\[]?(?P<letter>[A-Z])(?:です|{_NOT_WORD}[)\]]?){_CLAUSE_END}(?!\s*[,/]?\s*(?:and|or)\s+[A-Z](?![^\W_]))"
)
BETWEEN = re.compile(  # "Between A and C, C is more likely."
    r"\b(?i:between|of)\s+(?:options?\s+)?(?P<one>[A-Z])\s+(?:and|or)\s+(?P<two>[A-Z]),?\s+(?:option\s+)?"
    r"(?P<letter>(?P=one)|(?P=two))\s+(?:is|seems)\s+(?:clearly\s+|the\s+)?"
    r"(?:better|more\s+(?:likely|plausible|accurate|appropriate|probable|fitting))(?=[\s.!*]*\Z)",
)
THEREFORE_GERMAN = re.compile(  # "Daher ist Antwort B richtig."
    r"\b(?i:daher|somit|also|deshalb|damit|folglich)\s+ist\s+(?:(?:die\s+)?(?:Antwort|Option)\s+)?"
    r"[(\[]?(?P<letter>[A-Z])[)\]]?\s+(?:richtig|korrekt|die\s+(?:richtige|korrekte)\s+(?:Antwort|Option|Lösung))"
    r"(?=\s*(?:[.!\n]|\Z))"
)
ONLY = re.compile(
    r"(?:^|[.!?:,]\s+|\b(?:so|therefore|thus|hence),?\s+)only\s+(?:option\s+|answer\s+|choice\s+)?[(\[]?"
    r"(?P<letter>(?-i:[A-Z]))[)\]]?\s+(?:(?:is|can\s+be|must\s+be)\s+(?:the\s+)?(?:correct|right|answer)"
    r"|(?:remains|is\s+left|makes\s+sense|fits|works)(?=\s*[.!,;]))\b",
    re.IGNORECASE | re.MULTILINE,
)
IT_IS = re.compile(
    rf"(?<![\w'’])(?P<letter>[A-Z]){_NOT_WORD}\s+it\s+is\b(?=\s*(?:[.!,;:()–—-]|then\b|because\b|since\b|$))",
    re.MULTILINE,
)

CONDITION = re.compile(  # not on the next line, with a capital: "Answer: A" and below "When it rises, ..."
    r"[)\]]*[ \t]*,?(?!\s*\n\s*(?-i:[A-Z]))\s*"
    r"(?:only\s+(?:if|when)|if(?!\s+i\b)|when|unless|assuming|provided|wenn|falls|si|если"
    r"|(?:would|could|might|may)\s+(?:only\s+)?(?:be|have\s+been|fit|work)"
    r"|with\s+(?:an?\s+)?(?:\w+\s+)?(?:probability|chance|likelihood)"
    r"|with\s+(?:an?\s+|only\s+|about\s+|around\s+|roughly\s+)*[0-4]?\d(?:[.,]\d+)?\s*%"
    r"|only|(?:answer\s+)?(?:to|for|in)\s+(?:another|other|a\s+different))(?!\w)"
    r"|[)\]]*\s*[,;.]?\s*(?:otherwise|else|if\s+not)[ ,]+(?:(?:the\s+)?(?:answer|option|choice)"
    r"|it(?:['’]s|\s+is)|[(\[]?(?-i:[A-Z])(?!\w))",
    re.IGNORECASE,
)
ELSEWHERE = re.compile(r"\s+(?:for|in|under|at|to)\b", re.IGNORECASE)  # behind "B would be correct"
_SHARE = r"(?:with|in|for|under|at|on|by|during|according\s+to|to|before|after|when|if)"
SHARED = re.compile(  # "A in some books and B in others"
    rf"[)\]]*\s*,?\s*\b{_SHARE}\b[^.\n]{{1,80}}?(?:[,;]|\b(?:and|but|or|while|whereas)\b)\s*(?:(?:and|but"
    rf"|or)\s+)?(?:option\s+)?[(\[]?(?-i:[A-Z])[)\]]?\s+{_SHARE}\b"
    r"|[)\]]*\s*,?\s*(?:(?:and|but|while)\s+)?(?:for|on"
    r"|under)\s+(?:\w+\s+){1,3}(?-i:[A-Z])[)\]]?\s*(?:[.,;\n]|$)",
    re.IGNORECASE,
)
_ABSENT = (
    r"(?:listed|among|given|here|shown|provided|available|present|in\s+the\s+list|(?:any|one)\s+of"
    r"|an\s+option|offered)"
)
NOT_LISTED = re.compile(
    rf"\banswer\s+(?:is|was)(?:\s+not|n['’]t)\s+(?:actually\s+|even\s+)?{_ABSENT}\b"
    r"|\bnone\s+of\s+(?:the|these|those)\s+(?!other)(?:\w+\s+)?(?:options?|choices?|answers?)\s+(?:is|are"
    r"|seems?|matche?s?)\b",
    re.IGNORECASE,
)
SEVERAL = re.compile(
    r"\s*(?:[,/&+;→]|[-=]>|,?\s*\b(?:and|or|und|oder|(?-i:[yoe])(?!\()|ou|et|и|или|nor)\b|和|或|、)\s*(?:and\s+"
    r"|or\s+)?(?:maybe\s+|perhaps\s+|possibly\s+)?(?:option\s+)?[(\[]?([A-HJ-Za-hj-z])"
    r"(?![A-Za-zÀ-ɏ0-9_]|['’]|\s+(?!(?:or|and|und|oder)\b)[a-z])[)\]]?",
    re.IGNORECASE,
)
FUNCTION_WORD = re.compile(
    r"because|since|as|if|only|and|or|but|for|in|is|was|when|with|which|that|due|based|given"
    r"|according|therefore|here|not|rather|by|so|from|the|it|i|we",
    re.IGNORECASE,
)
GOES_ON = re.compile(  # words that follow a letter which is an answer; "B vitamins" and "C major" are none
    rf"(?:{FUNCTION_WORD.pattern}|although|though|however|once|where|while|whereas|whose|who|can|could|has"
    rf"|have|had"
    r"|would|will|must|should|may|might|does|do|did|are|were|be|being|to|of|on|at|than|then|thus|hence"
    r"|these|those"
    r"|this|there|they|their|its|he|she|you|my|our|per|without|unlike|instead|yes|no|over|under|after"
    r"|before|like|let"
    r"|please|hope|correct|right|wrong|incorrect|also|both|nor|either|neither|an?|option|choice|answer"
    r"|indeed|clearly"
    r"|definitely|most|more|all|any|each|describes?|states?|says?|represents?|refers?|corresponds?|matches"
    r"|weil|da|denn|und|oder|ist|porque|ya|y|es|parce|car|et|est|perché|poiché|e|pois|want|omdat|für|mit"
    r"|das|der|die|le|les|los|las|el"
    r"|de|en|que|qui|che|karena|puisque|eftersom|fordi|koska|mert|bo|deoarece|explanation|reason|reasoning"
    r"|note)",
    re.IGNORECASE,
)
DENIED_AFTER = re.compile(
    r"\b(?:is|was|are|isn|looks|seems)?\s*(?:not|n['’]t|incorrect|wrong|false|eliminated|out|ruled)\b",
    re.IGNORECASE,
)
REVISED = re.compile(
    r"\b(?:wait|hold\s+on|revis\w+|corrected|apolog\w+|reconsider\w*|on\s+reflection|scratch\s+that|actually"
    r"|correction|sorry|mistake|instead|rather|however|but|no|hmm|oops"
    r"|let me (?:re\w+|double|verify|check)|double[- ]check\w*|on second thought"
    r"|(?:cannot|can['’]t) be (?:right|correct|it|the answer))\b",
    re.IGNORECASE,
)
UNKNOWING = re.compile(
    r"\b(?:(?:do not|don['’]t|cannot|can['’]t|can not)"
    r" (?:know|tell|say|determine|decide|answer|help|assist|provide)"
    r"|not sure|unsure|no idea|unclear|depends|impossible to|(?:hard|difficult) to (?:tell|say))\b",
    re.IGNORECASE,
)
