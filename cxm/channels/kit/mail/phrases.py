"""What mail programs write around the mail they repeat, by language: one table, from which the patterns of :mod:`quotes` are made.

Gathered from Gmail, Outlook, Apple Mail, Yahoo and Thunderbird and their telephones. Words are regular expressions, matched without regard to case.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrases:
    """``wrote``: verbs of “On … Ann wrote:”; ``opens``: how such a line begins; labels of a repeated head: ``sender``, ``sent`` (nobody but a program
    says it), ``to`` (dates and receivers, which people write too) and ``subject``; ``original``: what stands between dashes; ``device``: how a telephone
    signs."""

    wrote: tuple[str, ...] = ()
    opens: tuple[str, ...] = ()
    sender: tuple[str, ...] = ()
    sent: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()
    original: tuple[str, ...] = ()
    device: tuple[str, ...] = ()


PHRASES: dict[str, Phrases] = {
    "en": Phrases(
        ("wrote", "writes"), ("on",), ("from",), ("sent",), ("date", "to", "cc"), ("subject",), ("original message", "forwarded message", "reply message", "original e-?mail"),
        ("sent (?:from|via) (?:my |mail|outlook|yahoo|proton|the |gmail|samsung|aol)", "get outlook for "),
    ),
    "es": Phrases(
        ("escribió", "escribio"), ("el", "en"), ("de",), ("enviado(?: el)?", "enviada"), ("fecha", "para", "cc"), ("asunto",), ("mensaje original", "mensaje reenviado"),
        ("enviado (?:desde|con|de) (?:mi |el |outlook|yahoo|gmail|correo|samsung)", "obtener outlook para "),
    ),
    "pt": Phrases(
        ("escreveu",), ("em", "no dia", "às", "a"), ("de",), ("enviad[ao](?: em)?",), ("data", "para", "cc"), ("assunto",), ("mensagem original", "mensagem encaminhada"),
        ("enviado (?:do|de|pelo|a partir d[oe]) (?:meu |o |iphone|ipad|outlook|yahoo|gmail|correio|e-?mail)", "obter o outlook para ", "enviado do yahoo"),
    ),
    "fr": Phrases(
        ("a écrit",), ("le",), ("de", "expéditeur"), ("envoyé(?: le)?", "date d['’]envoi"), ("date", "à", "cc"), ("objet",), ("message d['’]origine", "message original", "message transféré", "e-mail d['’]origine"),
        ("envoyé (?:de|depuis|à partir de) (?:mon |l['’]|outlook|yahoo|gmail|courrier|my )", "(?:obtenir|télécharger) outlook pour "),
    ),
    "de": Phrases(
        ("schrieb", "geschrieben"), ("am",), ("von",), ("gesendet(?: am)?",), ("datum", "an", "cc"), ("betreff",),
        ("original-?nachricht", "urspr(?:ü|ue)ngliche (?:nachricht|e-?mail|mail)", "weitergeleitete nachricht"),
        ("von (?:meinem|meiner|mein) .{1,40} gesendet", "gesendet (?:von|mit|aus|über) ", "outlook für .{1,20} (?:beschaffen|herunterladen)", "holen sie sich outlook für "),
    ),
    "it": Phrases(
        ("ha scritto",), ("il(?: giorno)?",), ("da", "mittente"), ("inviat[oa](?: il)?",), ("data", "a", "cc"), ("oggetto",), ("messaggio originale", "messaggio inoltrato"),
        ("inviato da(?:l mio|lla mia| )", "(?:ottieni|scarica) outlook per "),
    ),
    "nl": Phrases(
        ("schreef", "geschreven"), ("op",), ("van", "afzender"), ("verzonden(?: op)?",), ("datum", "aan", "cc"), ("onderwerp",), ("oorspronkelijk bericht", "origineel bericht", "doorgestuurd bericht"),
        ("verstuurd vanaf ", "verzonden (?:vanaf|vanuit|met|via) ", "(?:download|outlook voor) .{0,20}(?:ios|android)"),
    ),
    "pl": Phrases(
        ("napisał", "napisała", "pisze", "napisane"), ("dnia", "w dniu", "wiadomość napisana"), ("od",), ("wysłano", "wysłane"), ("data", "do", "dw"), ("temat",), ("oryginalna wiadomość", "wiadomość oryginalna", "wiadomość przekazana"),
        ("wysłan[eoy]? (?:z|ze) ", "pobierz (?:aplikację )?outlook dla "),
    ),
    "tr": Phrases(
        ("yazdı",), (), ("gönderen", "kimden"), ("gönderildi", "gönderilme(?: tarihi)?", "gönderme tarihi"), ("tarih", "kime", "bilgi"), ("konu",), ("orijinal (?:mesaj|ileti)", "özgün (?:mesaj|ileti)", "iletilen ileti"),
        (r"\S{1,30}['’]?(?:i|ı|u|ü)?m?(?:d[ae]n|t[ae]n) gönderildi", "outlook['’]u (?:edinin|indir)"),
    ),
    "ru": Phrases(
        ("написал", "написала", "написали", "пишет", "писал", "писала"), ("в",), ("от", "от кого"), ("отправлено", "отправлен"), ("дата", "кому", "копия"), ("тема",), ("исходное сообщение", "оригинальное сообщение", "пересылаемое сообщение", "пересланное сообщение"),
        ("отправлено (?:с|из|от) ", "скачать outlook для "),
    ),
    "ar": Phrases(
        ("كتب", "كتبت", "كتابة ما يلي"), ("في", "بتاريخ"), ("من",), ("تاريخ الإرسال", "تم الإرسال", "أ[ُ]?رسلت?(?: في)?", "مرسل"), ("تاريخ", "التاريخ", "إلى", "نسخة"), ("الموضوع", "موضوع"), ("الرسالة الأصلية", "رسالة معاد توجيهها"),
        ("(?:أ[ُ]?رسلت?|تم الإرسال|م[ُ]?رسلة?) من ", "الحصول على outlook"),
    ),
    "he": Phrases(
        ("כתב", "כתבה", "כתבו", "מאת"), ("בתאריך", "ב-?", "ביום"), ("מאת", "מ"), ("נשלח",), ("תאריך", "אל", "עותק"), ("נושא",), ("הודעה מקורית", "ההודעה המקורית", "הודעה שהועברה"),
        ("נשלח (?:מה|מ|באמצעות)", "קבל את outlook"),
    ),
    "hi": Phrases(
        ("लिखा", "लिखते हैं"), (), ("से", "प्रेषक", "द्वारा"), ("भेजा गया", "भेजा", "प्रेषित"), ("दिनांक", "तारीख", "प्रति", "को"), ("विषय",), ("मूल संदेश", "अग्रेषित संदेश"),
        ("(?:मेरे )?.{1,20} से भेजा गया", "भेजा गया .{1,20} से"),
    ),
    "th": Phrases(
        ("เขียนว่า", "เขียน"), ("ในวันที่", "เมื่อ", "วันที่"), ("จาก",), ("ส่ง(?:เมื่อ)?",), ("วันที่", "ถึง", "สำเนา"), ("เรื่อง", "หัวข้อ"), ("ข้อความต้นฉบับ", "ข้อความเดิม", "ข้อความที่ส่งต่อ"),
        ("ส่งจาก ?", "รับ outlook สำหรับ"),
    ),
    "ja": Phrases(
        ("のメール", "さんは書きました", "が書きました", "wrote"), (), ("差出人",), ("送信日時", "送信日"), ("日時", "日付", "宛先", "cc"), ("件名",), ("元のメッセージ", "オリジナルメッセージ", "転送メッセージ", "original message"),
        (".{1,20}から送信", "outlook for .{1,10}を(?:入手|取得)"),
    ),
    "ko": Phrases(
        ("님이 작성", "작성", "쓴 글", "님이 쓴 글"), (), ("보낸 ?사람", "보낸 ?이"), ("보낸 ?날짜", "보낸 ?시간"), ("날짜", "받는 ?사람", "참조"), ("제목",), ("원본 ?메시지", "원본 ?메일", "전달된 메시지"),
        ("(?:나의|내) .{1,20}에서 보냄", ".{1,20}에서 보냄", "outlook (?:ios|android)용 다운로드"),
    ),
    "zh": Phrases(
        ("写道", "寫道", "写", "撰寫"), ("在", "於", "于"), ("发件人", "寄件者", "寄件人", "發件人"), ("发送时间", "发件时间", "寄件日期", "傳送時間", "发送日期"), ("日期", "收件人", "收件者", "抄送", "副本"), ("主题", "主旨", "主題"),
        ("原始邮件", "原始郵件", "原邮件", "邮件原件", "转发的邮件", "轉寄的郵件"), ("发自我的", "發自我的", "從我的", "从我的", "(?:获取|取得|下载) ?outlook"),
    ),
    "sv": Phrases(
        ("skrev",), ("den",), ("från",), ("skickat", "skickad"), ("datum", "till", "kopia"), ("ämne",), ("ursprungligt meddelande", "vidarebefordrat (?:meddelande|brev)"),
        ("skickat från ", "hämta outlook för "),
    ),
    "da": Phrases(
        ("skrev",), ("den",), ("fra",), ("sendt",), ("dato", "til", "cc"), ("emne",), ("oprindelig meddelelse", "oprindelig besked", "videresendt (?:meddelelse|besked)"),
        ("sendt (?:fra|via) ", "hent outlook til "),
    ),
    "no": Phrases(("skrev",), ("den", "tirsdag"), ("fra",), ("sendt",), ("dato", "til"), ("emne",), ("opprinnelig melding", "videresendt melding"), ("sendt fra ",)),
    "fi": Phrases(("kirjoitti",), (), ("lähettäjä",), ("lähetetty",), ("päiväys", "vastaanottaja"), ("aihe",), ("alkuperäinen viesti", "välitetty viesti"), ("lähetetty ",)),
    "cs": Phrases(("napsala?", "napísala?"), ("dne", "dňa"), ("od",), ("odesláno", "odoslané"), ("datum", "komu"), ("předmět", "predmet"), ("původní (?:zpráva|e-mail)", "pôvodná správa"), ("odesláno z ", "odoslané z ")),
    "hu": Phrases(("írta", "ezt írta"), (), ("feladó",), ("elküldve",), ("dátum", "címzett"), ("tárgy",), ("eredeti üzenet",), ("elküldve ",)),
    "ro": Phrases(("a scris",), ("pe", "în"), ("de la",), ("trimis",), ("dată", "către"), ("subiect",), ("mesaj original", "mesajul inițial"), ("trimis de pe ",)),
    "uk": Phrases(("пише", "писав", "написав", "написала"), ("у",), ("від",), ("надіслано", "відправлено"), ("дата", "кому"), ("тема",), ("вихідне повідомлення", "оригінальне повідомлення"), ("надіслано з ",)),
    "el": Phrases(("έγραψε",), (), ("από",), ("στάλθηκε",), ("ημερομηνία", "προς"), ("θέμα",), ("αρχικό μήνυμα",), ("στάλθηκε από ",)),
    "vi": Phrases(("đã viết",), ("vào",), ("từ",), ("đã gửi",), ("ngày", "tới"), ("chủ đề",), ("thư gốc",), ("được gửi từ ",)),
    "id": Phrases(("menulis",), ("pada",), ("dari",), ("dikirim",), ("tanggal", "kepada"), ("perihal",), ("pesan asli",), ("dikirim dari ",)),
    "others": Phrases(("va escriure", "skrifaði", "je napisao", "написа", "rašė", "rakstīja", "kirjutas"), ("la",)),
}  # fmt: skip
