"""Complaint, request, praise and purchase by hand-written cues, per language.

Too few labelled sentences may be shipped to learn these intents, so they are judged by words that a reader can check. A cue must be
a thing people say *to* a company (a failure named, a wish addressed, a thanks), not a mood: moods are sentiment's business.
"""

from __future__ import annotations

import re

#: Scripts written without spaces have no word borders for a cue to stand between.
_UNSPACED = frozenset(("zh", "ja", "th"))

_COMPLAINT = {
    "en": (
        r"still (?:waiting|no\b|not|nothing|hasn'?t|haven'?t|isn'?t|can'?t|won'?t|doesn'?t)|never (?:again|arriv\w+|came|received|got)|worst|"
        r"terribl[ey]|horribl[ey]|awful|appalling|disgust\w+|unacceptable|ridiculous|pathetic|disgrace\w*|useless|disappoint(?:ed|ing|ment)|"
        r"fed up|shame on|rip-?off|waste of (?:money|time)|(?:is|what) a joke|broken?|faulty|defective|damaged|scratched|leak(?:s|ing|ed)|"
        r"(?:not|stopped|never|\w+n'?t) work(?:ing|s)?|\w+n'?t (?:load|open|connect|turn on|log ?in|answer|respond|reply)|"
        r"crash(?:es|ed|ing)|keeps? (?:crashing|hanging|failing|freezing|getting)|charged (?:me )?(?:twice|double)|double[- ]charged|overcharg\w+|"
        r"refund|on hold|no(?:body| ?one)? (?:answers?|response|reply|replies|help\w*|told|cares?|internet|signal|hot water|service)|"
        r"hung up|hang(?:s|ing)? up|rude|filthy|dirty|cancel(?:l?ed) my|lost my|wrong (?:item|size|order|product)|missing|"
        r"late again|delay(?:ed|s)|(?:poor|bad|slow) (?:service|quality|customer)|outage|down again|weeks? late|days? late|ignored?"
    ),
    "de": (
        r"immer noch (?:nicht|kein\w*)|noch immer (?:nicht|kein\w*)|warte(?:n)? (?:ich|wir|seit|schon)|nie wieder|frechheit|unverschämt\w*|"
        r"enttäusch\w+|katastroph\w+|schlechteste\w*|furchtbar|unfreundlich\w*|kaputt\w*|defekt\w*|beschädigt\w*|funktionier\w+ (?:\w+ )?nicht|"
        r"geht (?:\w+ )?nicht|stürzt|abgestürzt|doppelt (?:ab|be)\w+|rückzahlung|erstattung|warteschleife|aufgelegt|legt einfach auf|"
        r"niemand (?:meldet|antwortet|hilft|geht|ist)|keine antwort|schmutzig\w*|dreckig\w*|ausgefallen|zugausfall|ausfall|verspätung|"
        r"vertröstet|stinksauer|abzocke|betrug|mangelhaft|zu spät|seit (?:tagen|wochen|monaten) (?:kein\w*|nicht)|zumutung|unmöglich|mist"
    ),
    "es": (
        r"(?:sigo|llevo|llevamos|seguimos) (?:\w+ ){0,4}(?:esperando|sin)|todavía no|aún no|nadie (?:contesta|responde|me|nos|atiende)|"
        r"pésim[oa]s?|vergüenza|decepci\w+|desastre|horribl\w+|terribl\w+|peor|rot[oa]s?|rompió|averiad[oa]|defectuos[oa]|no (?:me )?funciona\w*|"
        r"se (?:cierra|cuelga|bloquea)|cobr(?:aron|ado) dos veces|colgaron|devoluci[oó]n|reembolso|suci[oa]s?|groser[oa]s?|maleducad[oa]s?|"
        r"cancelaron mi|sin (?:internet|luz|servicio|avisar)|estafa|retras\w+|inaceptable|nunca (?:llegó|más)|fatal"
    ),
    "fr": (
        r"toujours (?:pas|rien|aucun\w*)|j'attends|personne ne|inadmissible|honte|déçue?s?|déception|décevant\w*|horrible|catastroph\w+|pire|nulle?|"
        r"cass[ée]\w*|défectueu\w+|en panne|panne|ne (?:\w+ )?(?:marche|fonctionne)\w* (?:pas|plus)|plante|débitée?s? deux fois|remboursement|"
        r"raccroché|sale|désagréable|impoli\w*|supprimé sans|annulé (?:mon|sans)|retard|arnaque|inacceptable|marre|aucune réponse|plus jamais"
    ),
    "pt": (
        r"ainda não|até agora (?:nada|não)|(?:estou|estamos) há|à espera|ninguém (?:responde|atende|me|resolve)|vergonha|absurdo|decep\w+|"
        r"péssim[oa]s?|horrível|pior|quebr(?:ou|ad[oa])|defeito|não funciona|trava|cobrad[oa] duas vezes|reembolso|estorno|desligaram|"
        r"imund[oa]|suj[oa]|grosseir[oa]|grosso|sem (?:internet|luz|aviso)|cancelaram (?:o )?meu|atras\w+|golpe|inaceitável|nunca mais|descaso"
    ),
    "it": (
        r"ancora (?:non|niente|nessun\w*)|aspetto (?:\w+ ){0,3}da|nessuno (?:risponde|mi|ci)|vergogna|delus\w+|pessim[oa]|orribile|peggior\w*|"
        r"rott[oa]|si è rott[oa]|difettos[oa]|non funziona|si blocca|addebitat\w+ due volte|rimborso|caduta la linea|sporc[oa]|maleducat[oa]|"
        r"scortes\w+|senza (?:internet|preavviso)|ritardo|truffa|inaccettabile|assurdo|mai più|schifo"
    ),
    "ar": (
        r"لا أحد يرد|ما حد يرد|لم يصل\w*|ما وصل\w*|أسوأ|اسوأ|سيئ\w*|غير مقبول|عيب عليكم|خيبة أمل|محبط|معطل|عطل|انكسر|مكسور|لا يعمل|ما يشتغل|"
        r"يتوقف|مقطوع|خصمتم|خصم مرتين|الاسترداد|قذر\w*|قليل الأدب|وقح|تأخير|تأخر\w*|نصب|احتيال|حتى الآن|انقطع"
    ),
    "hi": (
        r"घटिया|बेकार|ख़?राब|बदतमीज़\w*|जवाब नहीं|कोई नहीं सुन|नहीं (?:आया|मिला|हुआ|चल)|अब तक नहीं|टूट\w*|गंद[ाीे]|बंद (?:है|हो जाता)|रिफंड|"
        r"मज़ाक|निराश|काट दी|दो बार|ठंडा आया|देरी|धोखा"
    ),
    "zh": (
        r"还没(?:到|收|退|有)|没人(?:回|理|接)|差劲|太差|很差|垃圾|坏了|闪退|打不开|用不了|坑人|被坑|失望|退款|扣了我|乱扣|脏|态度(?:特别|很|太)?(?:差|恶劣)|"
        r"恶劣|断网|不耐烦|不通知|欺骗|骗子|投诉|烂|生气|挂断|凉的"
    ),
    "ja": (
        r"届かな[いく]|届いていな|届かず|返事(?:が|も)?な|返信がな|壊れ(?:た|て)|ひどい|酷い|最悪|最低|落ちる|繋がらない|つながらない|使えない|動かない|"
        r"がっかり|残念|態度(?:が|も)悪|待たされ|二重に請求|返金され|汚[いく]|無愛想|いい加減に|詐欺|対応が悪|遅すぎ|冷めて"
    ),
    "th": (
        r"ยังไม่ได้|ยังไม่มา|ไม่มีใครตอบ|ไม่ตอบ|แย่|ห่วย|พัง|เสีย(?!ง)|เด้ง|ใช้ไม่ได้|ไม่คืนเงิน|คืนเงิน|สกปรก|ไม่สนใจ|ล่ม|ผิดหวัง|พูดจาไม่ดี|ตัดสาย|"
        r"โดนหลอก|โกง|ช้ามาก|รอนาน|หักเงิน"
    ),
}
_REQUEST = {
    "en": (
        r"please|pls|plz|kindly|(?:can|could|would|will) (?:you|someone|somebody|anyone|we|i (?:get|have|please))|would (?:be (?:great|nice|good|"
        r"useful|helpful|awesome)|love (?:to see|it if))|(?:i|we)(?:'d| would) like|i (?:need|want) (?:to (?:change|cancel|return|book|update|get|"
        r"speak)|you to|a (?:copy|refund|replacement))|wish (?:you|there|we|it)|(?:should|needs? to) (?:add|allow|support|offer|have|be able)|"
        r"let (?:me|us) know|bring back|add (?:an?|the) (?:option|support|ability)|(?:my|a) suggestion|i suggest|cancel my"
    ),
    "de": (
        r"bitte|könnt\w* (?:sie|ihr|du|man)|würd\w+ (?:sie|ihr|mich freuen)|hätte(?:n)? gern\w*|(?:ich|wir) (?:möchten?|wünsch\w+|brauchen?|"
        r"benötigen?)|wäre (?:schön|toll|super|gut|nett|klasse)|gebt mir|schick(?:en|t) (?:sie )?mir|kündigen"
    ),
    "es": (
        r"por favor|porfa|podr[íi]a[ns]?|quisiera|me gustaría|(?:les|le|os) pido|sería (?:genial|bueno|ideal)|necesito|avís\w+|solicito|"
        r"env[íi]en\w*|quiero (?:cambiar|cancelar|una|que)|ojalá"
    ),
    "fr": (
        r"s'il (?:vous|te) pla[iî]t|svp|stp|merci de|pourri(?:ez|ons)|pouvez|veuillez|je (?:voudrais|souhaite\w*|veux|demande)|j'aimerais|"
        r"ce serait (?:bien|super|sympa)|rappelez|prévenez|j'ai besoin"
    ),
    "pt": (
        r"por favor|por gentileza|pode(?:m|riam?)|gostaria|gostávamos|seria (?:ótimo|bom|legal)|avisem|me (?:liguem|liga|enviem)|enviem|"
        r"quero (?:cancelar|trocar|que)|preciso|solicito"
    ),
    "it": (
        r"per favore|per cortesia|potre(?:ste|bbe)|potete|vorre[ii]|vorremmo|vi prego|sarebbe (?:bello|utile)|voglio (?:disdire|cambiare)|"
        r"richiamat\w+|chiedo|ho bisogno|avvisat\w+"
    ),
    "ar": r"من فضلك\w*|لو سمحت\w*|أرجو|ارجو|نرجو|يرجى|الرجاء|رجاء|أريد|اريد|أود|ياريت|يا ليت|ممكن|أتمنى",
    "hi": r"कृपया|प्लीज़?|दीजिए|कर दें|चाहिए|अच्छा होगा|बदल दी|भेज दी|करें",
    "zh": r"^请(?!问)|[，。！ ]请(?!问)|麻烦|希望(?:你们|您|能|可以)|能不能|可不可以|能否|帮我|我想要|想要一份|建议|求",
    "ja": r"ください|下さい|いただけ(?:ます|ません|ると)|お願い|てほしい|て欲しい|してほし|したいです|頂け",
    "th": r"รบกวน|ขอ(?!บ|ง|โทษ)|ช่วย(?!ทริป)|กรุณา|อยากให้|ต้องการ|โปรด",
}
_PRAISE = {
    "en": (
        r"thank(?:s| you)(?! (?:in advance|for nothing))|well done|great (?:job|work|service|experience|support)|love (?:it|this|these|your|the|my)|"
        r"best \w+ (?:in|ever|i)|amazing|awesome|brilliant|excellent|fantastic|wonderful|superb|outstanding|impress(?:ed|ive)|perfect(?:ly)?|"
        r"recommend|five stars|5 stars|friendliest|kudos|shout-?out|so happy with|you (?:guys )?rock|unforgettable|saved (?:our|my|the)|delighted"
    ),
    "de": (
        r"(?:vielen|tausend|herzlichen|lieben|besten) dank|danke(?:schön)?|großartig\w*|hervorragend\w*|super service|ausgezeichnet\w*|"
        r"wunderbar\w*|sehr zufrieden|begeistert|klasse|empfehl\w+|fünf sterne|5 sterne|bester? \w+|ich liebe|tolle\w*|top verpackt|perfekt\w*|freundlichst\w*"
    ),
    "es": (
        r"(?:mil|muchas|muchísimas) gracias|gracias por|excelente|encant\w+|maravillos[oa]|recomiendo|recomendable|cinco estrellas|5 estrellas|"
        r"el mejor|la mejor|genial(?!\s+que)|fantástic[oa]|perfect[oa]|buenísim[oa]|así da gusto|felicidades al|impecable"
    ),
    "fr": (
        r"merci (?:beaucoup|infiniment|mille|pour|à)|(?:immense|grand|mille) merci|bravo|excellent\w*|j'adore|merveilleu\w+|recommande|cinq étoiles|"
        r"5 étoiles|le meilleur|la meilleure|parfait\w*|ravie?s?|génial\w*|délicieu\w+|au top|impeccable"
    ),
    "pt": (
        r"muit[oa] obrigad[oa]|obrigad[oa] (?:à|ao|pel|por)|excelente|adorei|amei|amo|maravilhos[oa]|recomendo|cinco estrelas|5 estrelas|"
        r"o melhor|a melhor|perfeit[oa]|ótimo (?:atendimento|serviço)|parabéns (?:à|ao|pel)|deliciosa?|nota dez|nota 10"
    ),
    "it": (
        r"grazie (?:mille|di cuore|a|per)|eccellente|adoro|meraviglios[oa]|consiglio|consigliat\w+|cinque stelle|5 stelle|il miglior\w*|la miglior\w*|"
        r"bravissim[ie]|contentissim[oa]|perfett[oa]|ottim[oa]|squisito|fantastic[oa]|complimenti"
    ),
    "ar": r"شكرا (?:جزيلا|لكم|ل\w+)|شكرًا|ممتاز\w*|رائع\w*|أفضل|أنصح|انصح|خمس نجوم|راضية? جدا|أحب هذا|لذيذ\w*|جميلة|يعطيكم العافية",
    "hi": r"धन्यवाद|शुक्रिया|बेहतरीन|शानदार|लाजवाब|कमाल|बहुत (?:अच्छ[ाीे]|पसंद|खुश|बढ़िया|सुंदर)|सबसे अच्छ[ाीे]|पाँच स्टार",
    "zh": r"(?:非常|十分|太)感谢|谢谢(?:你们|老板|客服|店家)|很?满意|太棒|很棒|推荐|五星|好评|喜欢|最好喝|最好吃|好吃|好喝|贴心|给力|赞",
    "ja": r"ありがとう(?!ございません)|最高|素晴らし|おいし[いく]|美味し|大満足|満足です|大好き|おすすめ|お勧め|星五つ|星5|感謝|丁寧で|助かりま|素敵",
    "th": r"ขอบคุณ|อร่อย|ประทับใจ|สุดยอด|ดีมาก|ชอบ|แนะนำให้|ห้าดาว|ยิ้มแย้ม|ดีเยี่ยม|เยี่ยม",
}
_PURCHASE = {
    "en": (
        r"(?:going|want|wanna|gonna|planning|about|ready|like|love|need|wait|decid(?:ed|ing)) (?:to )?(?:buy|order|purchase|upgrade|switch to your)|"
        r"where (?:can|do|could) i (?:buy|order|get|purchase)|i(?:'ll| will|'m| am)(?: (?:definitely|probably|so))? (?:buy(?:ing)?|order(?:ing)?|"
        r"get(?:ting)? (?:one|two|this|these|it))|how much (?:is|are|does|for)|(?:in|back in) stock|thinking of (?:getting|buying)|take my money|"
        r"(?:is|are) there (?:a|any) discounts?|do you ship"
    ),
    "de": (
        r"(?:will|möchte|werde) (?:\w+ ){0,4}(?:kaufen|bestellen)|wo kann ich (?:\w+ ){0,4}(?:kaufen|bestellen)|was kostet|wie viel kostet|wie teuer|"
        r"überlege,? (?:\w+ ){0,4}(?:kaufen|bestellen|holen)|(?:wieder )?lieferbar"
    ),
    "es": r"(?:quiero|voy a|quisiera|pienso|me gustaría) (?:comprar|pedir)\w*|dónde (?:puedo )?(?:compr|consig)\w+|cuánto (?:cuesta|vale)\w*|hacen envíos|hay stock",
    "fr": r"(?:je veux|je vais|j'aimerais|je souhaite|je compte) (?:l')?(?:acheter|commander)|où (?:puis-je |peut-on )?(?:acheter|commander|trouver)|combien (?:coûte|ça coûte)|en stock",
    "pt": r"(?:quero|vou|queria|gostaria de|pretendo) (?:comprar|encomendar|pedir)|onde (?:posso )?compr\w+|quanto (?:custa|é|sai)|tem em estoque",
    "it": r"(?:voglio|vorrei|sto per|penso di) (?:comprar|ordinar|acquistar)\w*|dove (?:posso )?(?:compr|acquist|ordin)\w+|quanto costa\w*",
    "ar": r"(?:أريد|اريد|أود|ناوي|حاب) (?:أشتري|اشتري|شراء|أطلب)|وين (?:أشتري|ألاقي)|أين (?:أشتري|أجد)|كم (?:سعر|السعر)|بكم",
    "hi": r"खरीदना (?:चाहत|है)|ख़रीदना|कितने का|कीमत क्या|कहाँ (?:मिलेगा|से खरीद)",
    "zh": r"想买|要买|准备买|打算买|哪里(?:能|可以)?买|怎么买|多少钱|有货吗|下单(?!就)(?=吗|哪)",
    "ja": r"買いたい|購入したい|欲しい(?=です|な|！|。|$)|どこで(?:買|購入)|いくらですか|在庫は?あり",
    "th": r"อยากซื้อ|อยากได้|จะซื้อ|ซื้อที่ไหน|ราคาเท่า|กี่บาท|มีของไหม|สนใจสั่ง",
}
_CUES = {"complaint": _COMPLAINT, "request": _REQUEST, "praise": _PRAISE, "purchase": _PURCHASE}
INTENTS = tuple(_CUES)


def _compiled(language: str, choices: str) -> re.Pattern[str]:
    if language in _UNSPACED:
        return re.compile(choices)
    spaced = choices.replace(" ", r"\s{1,3}")  # a phrase may run over the end of a line
    return re.compile(rf"(?<!\w)(?:{spaced})(?![\w'])")


_COMPILED = {
    language: {intent: _compiled(language, cues[language]) for intent, cues in _CUES.items() if language in cues} for language in _COMPLAINT
}
#: A bad word said to somebody by name is taken for a complaint.
_ADDRESSED = re.compile(r"(?<![\w.])@\w")
_NONE: dict[str, re.Pattern[str]] = {}


def lowered(text: str) -> str:
    """Lower case that keeps every character in its place, so that a span means the same in the text as given."""
    low = text.lower()
    if len(low) != len(text):
        low = "".join(one if len(one) == 1 else character for character in text for one in [character.lower()])
    return low.replace("\u2019", "'")


def cue_spans(text: str, language: str, intent: str) -> list[tuple[int, int]]:
    """Where the cues of an intent stand (start, end); empty where there is none or the language has no cues."""
    pattern = _COMPILED.get(language, _NONE).get(intent)
    return [match.span() for match in pattern.finditer(lowered(text))] if pattern else []


def cued_intents(text: str, language: str, sentiment: str | None) -> list[str]:
    """The intents that the text has cues for. Where it both complains and praises, the sentiment (where judged) says which is meant."""
    patterns = _COMPILED.get(language)
    if not patterns:
        return []
    low = lowered(text)
    found = [intent for intent, pattern in patterns.items() if pattern.search(low)]
    if sentiment == "negative" and "complaint" not in found and _ADDRESSED.search(low):
        found.append("complaint")
    if "complaint" in found and "praise" in found:
        if sentiment == "positive":
            found.remove("complaint")
        elif sentiment == "negative":
            found.remove("praise")
    return found
