"""When words around a letter say that it is not the answer: doubt before it, and taking it back behind it.

All run on text from `plain.py`. `extract.py` asks before it counts a claim, and once more at the end.
"""

from __future__ import annotations

import re

BEFORE = 120  # characters before a claim that are looked at, of its own sentence

_SENTENCE_END = re.compile(r"[.!?](?![A-Za-z0-9])|\n")
_JOINING = r"(?!(?:so|therefore|thus|hence|then|since|because|as|which|but|however|yet|and|or)\b)"
_CONTENT = r"(?!(?:is|are|was|the)\b)"

_DOUBTFUL = (
    r"(?:incorrect|wrong|false|bad|worst|weakest|least|naive|naïve|obvious|intuitive|tempting|trap|popular"
    r"|common|typical|frequent|eliminated|excluded|rejected|discarded|dismissed|unlikely|improbable|implausible"
    r"|previous|first|initial|original|earlier|former|old|(?<!only )(?<!best )possible|potential|alternative"
    r"|hypothetical|sample|example|another|distractors?|students?['’]?s?|candidate['’]?s?|user['’]?s?"
    r"|falsche?[rsn]?|mauvaise|fausse|incorrectes?|incorrectas?|equivocada|sbagliata|errata|errada|keine)"
)
_ALIEN = r"(?:错误|錯誤|不正确|不正確|干扰|誤った|間違った|неправильный|неверный|틀린|오답)"
LEADS_TO = re.compile(  # before a colon and a letter
    r"(?:^|\b(?:answers?|ans|choice|option|letter|response|solution|selection|verdict|conclusion|result|final|pick|guess"
    r"|is|be|with|so|thus|therefore|hence|choose|select|say|output|correct|right|best|yes|correction"
    r"|edit|this|that|one|opinion|course)|[^\x00-\x7f])\s*$",
    re.IGNORECASE,
)
DOUBTFUL = re.compile(rf"\b{_DOUBTFUL}(?!\w)|{_ALIEN}|\b(?:not|never)\b|n['’]t\b|\bruled\b", re.IGNORECASE)

# "the most common wrong answer", "a tempting choice", "Student's answer", "not the answer"
_ADJECTIVE = re.compile(
    rf"(?:\b{_DOUBTFUL}(?:[ \t_-]+{_JOINING}{_CONTENT}[^\W\d_]+){{0,2}}"
    rf"|(?:\bnot|\bnever|\bcannot|n['’]t|\bnicht)(?:[ \t]+{_JOINING}(?!(?:know|sure)\b)[^\W\d_]+){{0,2}}"
    rf"|{_ALIEN}[ \t]*的?|[不没沒非别別勿](?:能|应该|應該|应|應|该|該|要|会|會)?|排除"
    r"|\b(?:his|her|their|(?!(?:here|there|it|that|what|let|question|problem|today)['’])[^\W\d_]+['’]s)"
    r"(?:[ \t]+[^\W\d_]+)?)[ \t_]*$",
    re.IGNORECASE,
)
# What may stand right before "answer"; of other words, as in "the lazy answer", it is not known what they do
_PLAIN = re.compile(
    r"the|an?|this|that|our|my|your|(?:question|today)['’]s|its|it|one|only|single|sole|unique|correct"
    r"|right|best|true|actual|real|valid"
    r"|proper|final|full|short|quick|direct|exact|precise|accurate|appropriate|suitable|fitting|ideal|optimal"
    r"|preferred|logical|reasonable|sensible|good|better|likely|probable|closest|nearest|intended|expected|required"
    r"|requested|desired|recommended|suggested|proposed|predicted|estimated|computed|resulting|chosen|selected|safest"
    r"|strongest|overall|main|official|consistent|remaining|supported|possible|most|multiple|multiple-choice|choice"
    r"|answer|option|letter|question|quiz|mcq|model|assistant|ai|json|here|so|then|thus|hence|therefore|and|but|or"
    r"|because|since|as|with|for|by|of|to|in|is|are|be|was|means|mean|think|believe|say|know|conclude|conclusion"
    r"|choose|chose|select|pick|picked|give|gives|provide|output|write|which|where|when|if|finally|also|now|ok|okay"
    r"|sure|yes|no|not|hello|hi|well|certainly|step|definitely|clearly|obviously|probably|ground|truth|gold|standard"
    r"|key|revised|corrected|updated|new|corresponding|matching|following|above|definitive|definite|concise|brief"
    r"|simple|straightforward|clear|accepted|verified|from|at|on|about|than|after|whose|per",
    re.IGNORECASE,
)
_WORD_BEFORE = re.compile(r"([A-Za-z'’]+(?:-[A-Za-z'’]+)*)(?:[ \t_]+|-)$")
_SAY = (
    r"(?:say|think|believe|claim|assume|argue|suggest|answer|choose|pick|select|guess|state|insist|conclude"
    r"|says|thinks|believes|claims|assumes|argues|suggests|answers|chooses|picks|selects|states|insists"
    r"|said|thought|believed|claimed|assumed|chose|picked|selected|told|give|gives)\b"
)
_THEY = (
    r"(?:people|persons?|students?|beginners?|others|pupils?|learners?|teachers?|professors?|(?:text)?books?"
    r"|sources?|everybody|everyone|someone|somebody|anyone|experts?|critics|users?|friends?|websites?"
    r"|they|he|she)"
)
_SOURCES = r"(?:chatgpt|gpt[\w.-]*|claude|gemini|bard|siri|alexa|copilot|google|wikipedia|quora|reddit)"
_OWN = (
    r"(?:answer|choice|reasoning|conclusion|guess|thoughts?|thinking|explanation|analysis|knowledge"
    r"|calculations?|understanding|solution|response|verdict|pick|final|best|view|opinion|steps?|work(?:ing)?"
    r"|training|memory)"
)
_WOULD = r"(?:(?:would|might|may|could|will|often|sometimes|usually|tend\s+to|first|wrongly|mistakenly)\s+)"
_MISTAKE = (
    r"\b(?:misconception|myth|fallacy|trap|(?:common|frequent|easy|typical)\s+(?:mistake|error))\b[^;,]{0,30}"
)
_UNTRUE = (
    r"\b(?:doubtful|untrue|(?:false|wrong)\s+that|not\s+(?:at\s+all\s+)?(?:true|correct)(?:\s+to\s+\w+)?)"
    r"\s*:?"
)
_HEARSAY = r"\bit\s+is\s+(?:\w+\s+)?(?:claimed|believed|assumed|thought|said|argued|held)"
_OTHERS = re.compile(
    rf"(?:\b{_THEY}\b(?:[ \t]+{_JOINING}{_CONTENT}[\w'’-]+){{0,5}}|{_MISTAKE}|{_UNTRUE}|{_HEARSAY}"
    rf"|\b(?:some|many|most|few|one|you)\s+{_WOULD}{{0,2}}{_SAY}"
    r"|\b(?:mistake|wrong|incorrect|tempting)\s+to\s+\w+"
    r"|\b(?:i|we)\s+(?:doubt|disagree|deny|(?:refuse|used)\s+to\s+\w+)"
    r"|\bno\s+(?:way|chance)|\bno\s+(?:reason|evidence|need)\s+to\s+\w+"
    r"|\b(?:says|thinks|believes|claims|insists|argues|told\s+\w+)"
    rf"|\b{_THEY}\b(?:(?!\b(?:i|we|so|therefore|thus|but|however)\b).){{0,60}}\b{_SAY}"
    r"|(?<!\bi\s)(?<!\bwe\s)(?<!\bthis\s)(?<!\bwhich\s)(?<!\bthat\s)\b(?:would|will)|\b(?:might|may|could)|\byou['’]d\s+\w+"
    r"|\bit\s+(?:may|might|would|could)\s+(?:seem|appear|look)(?:\s+like|\s+as\s+if)?"
    r"|\baccording\s+to\s+(?:some|many|most|others|people)\b[^:;]{0,40})"
    rf"(?:\s+{_SAY}\s*[,:]?)?(?:\s+that)?(?:\s+(?:the|it(?:\s+is|['’]s)?))?\s*$",
    re.IGNORECASE,
)
_TURN = r"(?:(?!\b(?:but|however|aber|mais|pero|ma|mas)\b|但).)*"  # up to where the sentence turns round
_SUPPOSED = re.compile(
    r"(?:\b(?:if|wenn|falls|si)\b(?!\s+(?:i|we|you)\s+\w+\s+to\b|\s+(?:\w+\s+){0,2}(?:forced|asked)\s+to"
    rf"|\s+you\s+ask){_TURN}\b(?:were|was|had|asked|asks|would|wäre|hätte|était|avait|fuera|fuese)\b"
    r"|^[\s,]*(?:were|had|should(?!\s+(?:you|it)\s+(?:\w+\s+)?(?:need|want|require)))\s+(?!to\b)\w+"
    r"|\bunless\b|\blet(?:['’]s|\s+us)\s+(?:say|assume|suppose|imagine|pretend)\b"
    r"|\b(?:i|we|one|you|some|people|many|they)\s+(?:(?:might|may|could|would|first|initially|originally|had)\s+)*"
    r"(?:thought(?!\s+about)|assume[ds]?|guess(?:ed)?\s+at\s+first)|\btempt\w+|\bat\s+first\s+(?:glance|sight|blush)"
    r"|\bfor\s+the\s+sake\s+of\s+argument|\bdevil['’]s\s+advocate|\bby\s+th(?:is|at)\s+(?:\w+\s+)?logic"
    r"|\bon\s+the\s+surface|\b(?:hypothetically|naively|intuitively|superficially|seemingly|supposedly|allegedly)\b"
    r"|\bwhether|\bsuppose|\bonly\s+if|^\s*(?:so\s+)?(?:could|is)\s+the|\bnot\s+clear"
    rf"|(?:n['’]t|\bnot)\s+(?:think|believe|say)|\bif\s+(?:the|my|your)){_TURN}$"
    r"|\b(?:otherwise|else|if\s+not)[\s,]*$",
    re.IGNORECASE,
)
_FOREIGN = re.compile(
    r"(?:\b(?:viele|manche|einige|beaucoup|certains|muchos|algunos|molti|alcuni|muitos|alguns)\b[^:;]{0,40}"
    r"\b(?:sagen|denken|glauben|meinen|pensent|disent|croient|piensan|dicen|creen|pensano|dicono|pensam|dizem)\b"
    rf"|人[^,;:]{{0,8}}(?:认为|認為|说|說|觉得|覺得|以为|以為|选|選)|(?:如果|假如|若是|要是|если\s+бы|якби)){_TURN}$",
    re.IGNORECASE,
)
_IN_A_CASE = re.compile(
    rf"\b(?:in\s+(?:that|this|such\s+a|which)\s+case|otherwise|if(?!\s+(?:i|we|you|forced|asked)\b))\b{_TURN}$"
    rf"|^\s*(?:for|in)\s+(?!this|the|your|our|my|these|conclusion|summary|short|general|fact|order)\w+\b{_TURN}$",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(
    r"\b(?:example|instance|e\.g\.|such[ \t]+as)[^\w\n]{0,6}$|^\W*(?:\w+ ){0,4}format(?: is)?\s*:\s*$",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"\b(?:write|writing|format|template|form|style|like|as|says?|said|reads?)[^\w\n]{0,4}$"
    r"|\b(?:should|must|has[ \t]+to|have[ \t]+to|expect\w*|requir\w*)\b[^\n]*$",
    re.IGNORECASE,
)
_GRANTED = re.compile(  # "Although many believe that it is A, the answer is"
    r"^\W*(?:(?:even\s+)?though|although|while|whereas|despite|contrary\s+to)\b[^,]*,", re.IGNORECASE
)
_TASK = r"(?:questions?|problems?|exercises?|tasks?|quiz(?:zes)?|items?|parts?|examples?|q)"
_ANOTHER = (  # a numbered question, unless it is the first one, or "the previous question"
    rf"(?:{_TASK}[ \t]*(?:no\.?|number|\#)?[ \t]*(?!\(?0*1\b)(?:\d{{1,4}}(?![\w%])|\([a-h]\))"
    r"|(?:first|second|third|last|previous|preceding|former|earlier|next)[ \t]+(?:\w+[ \t]+)?"
    r"(?:questions?|problems?|exercises?|quiz|task|example)(?!\w)"
    r"|(?:other|another|different|similar|related)[ \t]+(?:\w+[ \t]+)?(?:questions?|exercises?|quiz)(?!\w))"
)
_OF_ANOTHER = re.compile(
    rf"(?<!\w){_ANOTHER}|\b(?:in|for|to|of|on)[ \t]+(?:the[ \t]+)?(?:previous|last|next|other)[ \t]+one\b"
    r"|\b(?:to|for|in|of|on)[ \t]+an?[ \t]+(?:\w+[ \t]+)?(?:question|quiz)(?!\w)"
    r"|^\W*(?:for[ \t]+)?(?:number|nr|\#)[ \t]*(?!0*1\b)\d{1,4}[ \t]*[:,]"
    r"|^\W*for[ \t]+(?!0*1\b)\d{1,3}[ \t]*[:,]"
    r"|\banswer[ \t]+(?:for|to|of|in)[ \t]+(?:(?:number|nr|no\.?|\#)[ \t]*)?(?!0*1\b)\d{1,3}[ \t]+is\b",
    re.IGNORECASE,
)
_FOR_ANOTHER = re.compile(  # behind a claim
    rf"[^.!?\n]{{0,80}}?(?:\b(?:for|to|in|of|on|from|at)[ \t]+(?:the[ \t]+)?|\([ \t]*){_ANOTHER}",
    re.IGNORECASE,
)
_SAID = (  # what I and we say is the model's own
    r"(?<!\bi\s)(?<!\bwe\s)(?<!ve\s)(?<!\bas\s)(?<!that\s)(?<!\bbeing\s)(?<!\bhaving\s)\b(?:"
    r"(?:said|wrote|told|replied|answered|announced|responded|stated|claimed|posted|declared"
    r"|insisted|shouted)(?:[ \t]+(?:me|us|here|there|it|that|back|online))*"
    r"|(?:says|writes|replies|answers|announces|responds|states|claims?|declares|put[ \t]+it|reads|contains"
    r"|(?:you|we|i)[ \t]+(?:find|read))(?:[ \t]+\w+)?[ \t]*:)"
)
_WHO = (
    rf"(?:(?:his|her|their)[ \t]+\w+|(?:my|your)[ \t]+(?!{_OWN}\b)\w+"
    rf"|(?:(?:the|an?|other|some)[ \t]+(?:\w+[ \t]+)?)?(?:{_THEY}|{_SOURCES})(?:[ \t]+\w+)?)"
)
_SPOKEN = re.compile(  # "ChatGPT said: ", "my teacher: ", "his response was: "
    rf"(?:{_SAID}|['’]s[ \t]+(?:\w+[ \t]+)?(?:response|answer|reply|output|guess|verdict|opinion|view|words)"
    r"(?:[ \t]+(?:was|is|reads?))?"
    r"|\bquot(?:e|ing)\b[^:]{0,40}|\bask(?:ing|ed)?[ \t]+(?:my|his|her|their|the|a)[ \t]+\w+"
    rf"|(?:^|[\n,;:])[^\w\n]*(?:from[ \t]+|according[ \t]+to[ \t]+)?{_WHO}(?=[ \t]*[:,]))"
    r"[ \t]*[:,]?[^\w\n]*(?:the[ \t]+)?$",
    re.IGNORECASE,
)
_QUOTES = "\"“”'‘’„«"
_ASIDE = re.compile(  # among the words between "the answer" and "is"
    rf"\b(?:wrong|incorrect|false|distractors?|often|commonly|usually|mind|textbook|book|edition|used)\b"
    rf"|\bby\s+(?:\w+\s+){{0,2}}{_THEY}\b|\b(?:people|students)\s+(?:\w+\s+){{0,2}}?{_SAY}",
    re.IGNORECASE,
)


def words_before(flat: str, start: int) -> str:
    """What stands before a place in its sentence, but for what is granted ("Although many say A, ")."""
    return _GRANTED.sub("", _SENTENCE_END.split(flat[max(0, start - BEFORE) : start])[-1])


def doubted(raw: str, flat: str, start: int, end: int, label: bool = False) -> bool:
    """Do the words before a claim, or inside it, take it back? As in "the naive answer", "students say".

    `label`: the claim begins with the word "answer" or its like.
    """
    if _ASIDE.search(flat, start, end):
        return True
    before = words_before(flat, start)
    if _OF_ANOTHER.search(before + flat[start:end]) or _FOR_ANOTHER.match(flat, end):
        return True
    if not before.strip():
        return False
    word = _WORD_BEFORE.search(before) if label else None
    if word is not None and not _PLAIN.fullmatch(word[1]):
        return True
    if raw[start - 1] in _QUOTES and _QUOTED.search(before):
        return True
    if "would" in flat[start:end].casefold() and _IN_A_CASE.search(before):
        return True
    patterns = (_ADJECTIVE, _SUPPOSED, _OTHERS, _SPOKEN, _EXAMPLE, _FOREIGN)
    return any(pattern.search(before) for pattern in patterns)


_DENIALS = re.compile(
    r"\b(?:not|no|none|never|neither|nor|wrong|incorrect|false|except|cannot)\b|n['’]t\b", re.IGNORECASE
)


def denies(text: str) -> bool:
    return _DENIALS.search(text) is not None


# ------------------------------------------------------------------ afterwards

_GAP = r"[^\S\n]*[,.:;!…·–—-]{0,4}[^\S\n]*"
_MARK = (
    r"(?:no[ ,]+wait|wait|no|nope|actually|correction|edit|edited|corrected|oops|ups|sorry|hold\s+on|rather"
    r"|hmm*|scratch\s+that|strike\s+that|my\s+(?:mistake|bad)|on\s+(?:second|further)\s+(?:thought|reflection)"
    r"|on\s+reflection|nein|non(?!-)|não|nee|korrektur|warte|moment|espera|corrección|correzione|attends|attendez"
    r"|i\s+apologi[sz]e|apologies|better|i\s+mean(?:t)?|make\s+that|(?:i(?:['’]ve)?\s+)?changed\s+my\s+mind"
    r"|thinking\s+(?:again|(?:about\s+it\s+)?more)|let\s+me\s+correct\s+(?:that|this|myself|it)"
    r"|(?:that|this)(?:['’]s|\s+(?:is|was))\s+(?:wrong|incorrect|not\s+(?:right|correct))|however|or\s+rather"
    r"|(?:(?:i['’]m|i\s+am|let\s+me)\s+)?(?:chang|switch)(?:e|ing)\s+(?:(?:it|(?:my\s+)?(?:answer|choice))\s+)?to"
    r"|不对|不對|等等|更正|错了|錯了|нет|いや)"
)
_FILL = (
    r"(?:i\s+mean(?:t)?|it(?:['’]s|\s+(?:is|must\s+be|should\s+be))|that\s+should\s+be|should\s+be|make\s+(?:that|it)"
    r"|(?:i['’]?(?:ll|d)?\s+)?(?:let\s+me\s+|let['’]s\s+)?(?:go\s+with|choose|pick|say)|es\s+ist|c['’]est|es|é|è"
    r"|(?:the\s+)?(?:correct\s+|right\s+)?answer\s+(?:is|should\s+be)|应该是|應該是|应该选|应选|是|选|選)"
)
# Right before a letter "no" denies it in Spanish, Italian, French and Portuguese: "B. No es A.", "B, non A"
_DENIED_NEXT = (
    r"(?:non?|n[ãa]o)[ \t]+(?:(?:es|è|é|est)[ \t]+)?(?:(?:la|el|le|a|o|the)[ \t]+)?"
    r"(?:(?:option|choice|answer|letter|letra|opción|opção|lettre|lettera|réponse|respuesta"
    r"|risposta|resposta)[ \t]+)?[(\[]?(?-i:[A-Z])(?![^\W_]|['’])"
)
# "No wait, B.", "Correction: B", "on reflection, B is better"
CORRECTED = re.compile(
    rf"(?!\Ano\s|\A[Nn]o:)(?:^|[.!?。！？…,;:()–—\n-])\s{{0,9}}(?i:(?:(?:and|but|oh|ah|ok)\b{_GAP})?(?!{_DENIED_NEXT})"
    rf"(?:{_MARK}(?![a-z]){_GAP}){{1,4}}+"
    rf"(?:{_FILL}{_GAP})?(?:the\s+)?(?:option|choice|answer|letter)?)[^\S\n]*[(\[]?(?P<letter>[A-Z])(?![^\W_]|['’])"
    r"(?:[)\].!,;。！]{0,4}[^\S\n]*$"
    r"|[)\]]?\s+(?:is\s+(?:clearly\s+|the\s+|a\s+)?(?:better|right|correct|best|answer|more)|fits|because|since|due)\b)",
    re.MULTILINE,
)
# "Answer: A. ~~A~~ B", of what was said: in plain text nothing is left of it
STRUCK_FOR = re.compile(
    r"^[^~\n]*~~[^~\n]{1,200}~~[ \t*_]{0,4}(?:<ins>)?[ \t*_(\[]{0,4}(?P<letter>[A-Z])(?![\w'’])(?:</ins>)?"
    r"(?=[)\]*_ \t]{0,4}(?:[.,;:!]|$))",
    re.MULTILINE,
)
_WRONG = r"(?:wrong|incorrect|false|mistaken|not\s+(?:right|correct|true|it)|a\s+(?:mistake|slip)|an\s+error)"
_INTERJECTION = (
    r"(?:(?:but|and|hm+|oh|ah|no|nope|actually|wait|sorry|ok|well|however|note|so|nein|non|\w{4,12}ly)\b"
    r"[\s,.!:…–—-]{1,4}){0,4}"
)
_OF_IT = re.compile(  # the very next sentence: "That is wrong."
    rf"[^\w]*{_INTERJECTION}(?:(?:that|this|it|which)(?:['’]s|\s+(?:is|was|seems|must\s+be|would\s+be))\s+"
    rf"(?:\w+ly\s+)?{_WRONG}(?:\s+though)?\s*(?:[.!?,;)]|$)"
    r"|(?:that|this|it)\s+(?:can['’]?t|cannot|can\s+not|isn['’]t|wasn['’]t|is\s+not)\s+(?:be\s+)?"
    r"(?:right|correct|true|the\s+(?:(?:right|correct)\s+)?answer)\b"
    r"|or\s+[^.!?\n]{0,20}\b(?:[A-Z]|none)(?![^\W_])"
    r"|(?:but|actually|wait|hm+|oh|well|sorry)\W{1,4}no(?=\s*(?:[,.!:;–—-]|$))"
    r"|(?:no|nope|nah|nein|non|false|not\s+really)\s*(?:[.!]|$)|(?:(?:or"
    r"|but)\s+)?is\s+it(?:\s+really)?\s*\?|or\s+not\b|anything\s+but\b|(?:it\s+"
    r"|that\s+)?(?:is\s+not|isn['’]t)\s*(?:[.!,;]|$)|(?:is|was)\s+(?:\w+\s+)?(?:wrong|incorrect)\b"
    r"|(?:wrong|incorrect|not\s+correct)\s*(?:[).!,;]|$)"
    r"|not\s*[.!]|das\s+(?:ist|stimmt)\s+(?:falsch|nicht)|c['’]est\s+faux|eso\s+es\s+incorrecto)",
    re.IGNORECASE,
)
_CROSSED = re.compile(r"[\s).\]:]{0,6}[❌✗✘🚫]")
_EARLIER = r"(?:\s+(?:above|earlier|i\s+made|in\s+my\s+(?:\w+\s+){0,2}\w+))?"
_ITSELF = (  # what is corrected or regretted is the answer: not a spelling, a belief, a delay
    r"(?=\s*(?:(?:that|this|it|myself|(?:for\s+)?(?:my|the|this|that)\s+(?:\w+\s+){0,2}"
    rf"(?:answer|choice|response|reply|mistake|error|oversight|confusion){_EARLIER}"
    r"|the\s+above|what\s+i\s+(?:said|wrote))\s*)?(?:[.!,:;–—-]|$|to\b))"
)
_TAKEN_BACK = re.compile(  # at the start of a sentence, wherever
    rf"(?:^|[.!?。！？…,;()–—\n])\s{{0,9}}{_INTERJECTION}(?:i\s+(?:take\s+(?:that|it|this)\s+back|made\s+an?\s+(?:\w+\s+)?"
    r"(?:mistake|error)|(?:was|am)\s+(?:wrong|mistaken)(?!\s+to\s+(?:doubt|hesitate|worry)\b)|misread|misspoke|misunderstood|(?:need\s+to|have\s+to|must|should)"
    rf"\s+(?:correct|revise|change|reconsider|update){_ITSELF}|(?:am\s+)?no\s+longer\s+(?:sure|certain|think|believe)|meant|retract|apologi[sz]e{_ITSELF}|(?:was|am)\s+(?:just\s+|only\s+)?(?:joking|kidding)"
    rf"|was\s+too\s+\w+|changed?\s+my\s+(?:mind|answer)|withdraw)\b|(?:my\s+)?apologies\b{_ITSELF}|i['’]m\s+(?:no\s+longer\s+sure|wrong"
    r"|mistaken)\b|(?:just\s+)?(?:kidding|joking)\b"
    r"|(?:that|this|it)\s+was\s+(?:just\s+|only\s+)?a\s+joke\b|never\s*mind\b"
    r"|(?:(?:please|so|but)\s+){0,2}(?:forget|scratch|strike|disregard|ignore|cancel|scrap"
    r"|delete)\s+(?:(?:that|this|it)(?=\s*(?:[.!,:;]|$))"
    r"|what\s+i\b|(?:my|the|this|that)\s+(?:\w+\s+)?answer\b)"
    rf"|sorry\s+(?:for|about)\s+(?:\w+\s+){{0,2}}(?:mistake|error|mix-?up)(?={_EARLIER}\s*(?:[.!,:;–—-]|$))"
    r"|i\s+should(?:\s+have|['’]ve)\s+(?:said|answered|chosen|picked|written|put|given)(?!\s+(?:so|more)\b)\b"
    r"|the\s+(?:first\s+answer|above(?:\s+answer)?)\s+(?:is|was)\s+(?:wrong|incorrect)(?=\s*(?:[.!;]|$))|(?:verification|check)\s+fail(?:s|ed)\b|my\s+(?:mistake|bad)\b|correction\b(?=\s*[:.,])|oops\b|hold\s+on\b|just\s+a\s+(?:moment|second)\b"
    r"|let\s+me\s+(?:re(?:consider|think|check|calculate|do|evaluate|visit|examine|assess)|re-\w+"
    r"|try\s+again|start\s+(?:over|again)"
    rf"|correct{_ITSELF}|think\s+again)\b|on\s+(?:second|further)\s+(?:thought|reflection)\b|on\s+reflection\b"
    r"|wait(?=\s*(?:[,.!:…–—-]|$)|\s+(?:no|that|this|i|let|actually|maybe|is)\b)|hmm+\b"
    r"|(?:korrektur|moment|warte|nein)\b(?=\s*[,.!:])|(?:不对|不對|等等|更正|错了|錯了))",
    re.IGNORECASE,
)


def taken_back(flat: str, end: int, option: str, letter: str = "") -> bool:
    """Does what follows a claim that ends there take it back without another one?

    `option` and `letter`: what the claim was for; the option's words may stand between.
    """
    rest = flat[end:]
    behind = rest.lstrip(" \t\n).],:;(-–—")
    if option and behind.casefold().startswith(option.casefold()):
        rest = behind[len(option) :]
    if any(pattern.match(rest) for pattern in (_OF_IT, _CROSSED)) or _TAKEN_BACK.search(rest) is not None:
        return True
    if _NO_LETTER.match(rest) and not _ROMANCE.search(flat):
        return True  # "The answer is A, no B.": a correction or a denial
    return not denies(option) and (_NO.match(rest) is not None or _only_denies(rest, option, letter))


_NO_LETTER = re.compile(
    r"[^\w\n]{1,20}no[ \t]+(?:option[ \t]+)?[(\[]?(?-i:[A-Z])(?![^\W_]|['’])", re.IGNORECASE
)
_ROMANCE = re.compile(r"\b(?:respuesta|opción|solución|risposta|resposta|opção)\b", re.IGNORECASE)
_NO = re.compile(r"[^\w]{0,60}no[ \t]*,", re.IGNORECASE)
_NEXT = re.compile(r"[^\w\n]{0,60}\n{0,2}[^\w\n]{0,60}([^.!?;…\n)]{1,80})(?=[.!;…\n)]|$)")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_NO_WORD = re.compile(r"no|nope|nah|nein|non|nee", re.IGNORECASE)
_NOT = re.compile(r"not|never|cannot|(?:ca|is|was|does|do|wo)n['’]?t", re.IGNORECASE)
_BAD = re.compile(r"wrong|incorrect|false|mistaken?|error", re.IGNORECASE)
_TURNING = re.compile(r"but|however|no|wait|actually|hmm?|sorry|though", re.IGNORECASE)
_EMPTY = re.compile(
    rf"{_NO_WORD.pattern}|{_NOT.pattern}|{_BAD.pattern}|{_TURNING.pattern}|or|and|rather|maybe"
    rf"|perhaps|well|oh"
    r"|really|quite|at|all|th(?:at|is|e|en)|(?:it|that)(?:['’]s)?|is|was|be|been|(?:seem|look"
    r"|fit)s?|do|does|did"
    r"|can|right|correct|true|answer|my|final|option|choice|on|second|thoughts?|so|i|know|think"
    r"|believe|exactly|after|probably|else|either|again|longer|of|me|(?-i:an?)|in|there|above|fast",
    re.IGNORECASE,
)


def _only_denies(rest: str, option: str, letter: str) -> bool:
    """Is the next sentence nothing but words that say no: "Or rather not.", "But that does not fit."?

    What was chosen may be among them where the sentence turns round: "But A is wrong.", "Not A."
    """
    sentence = _NEXT.match(rest)
    if sentence is None or sentence[1].rstrip().endswith(":"):
        return False
    words = _WORD.findall(sentence[1].replace(option, letter) if option else sentence[1])
    others = [word for word in words if word != letter]
    if len(others) < len(words) and not any(map(_TURNING.fullmatch, others)) and words[-1] != letter:
        return False
    if not all(map(_EMPTY.fullmatch, others)) or re.search(r"\d", sentence[1]):
        return False
    denied, bad = any(map(_NOT.fullmatch, others)), any(map(_BAD.fullmatch, others))
    return not (denied and bad) and (denied or bad or any(map(_NO_WORD.fullmatch, others)))
