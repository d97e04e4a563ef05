"""Replies split from quotes in the languages people write, both ways: what a program wrote is cut, what a person wrote like it is kept."""

from __future__ import annotations

import pytest

from cxm.channels.kit.mail import quotes

A = "Acme <care@acme.example>"
#: Of each language: its words of thanks, lines above a quote (Gmail, Apple, Thunderbird, Yahoo), heads of Outlook, a line between dashes, telephones.
PROGRAMS: dict[str, tuple[str, list[str], list[str], str, list[str]]] = {
    "en": (
        "Thank you.",
        [f"On Mon, Nov 2, 2026 at 3:04 PM {A} wrote:", f"On 2 Nov 2026, at 15:04, {A} wrote:", "On 02/11/2026 15:04, Acme wrote:", "On 11/2/26 3:04 PM, Acme wrote:", f"On Monday, November 2, 2026 at 03:04:05 PM GMT, {A} wrote:"],
        [f"From: {A}\nSent: Monday, November 2, 2026 3:04 PM\nTo: Ann\nSubject: Re: x", f"From: {A}\nDate: Monday, November 2, 2026\nTo: Ann\nSubject: x", "*From:* Acme\n*Sent:* Monday\n*Subject:* x"],
        "-----Original Message-----",
        ["Sent from my iPhone", "Get Outlook for iOS<https://aka.example/o>", "Sent from Mail for Windows", "Sent from Outlook for Android"],
    ),
    "es": (
        "Gracias.",
        ["El lun, 2 nov 2026 a las 15:04, Acme (<care@acme.example>) escribió:", f"El 2 nov 2026, a las 15:04, {A} escribió:", "El 2/11/26 a las 15:04, Acme escribió:", f"En lunes, 2 de noviembre de 2026, 15:04:05 CET, {A} escribió:"],
        [f"De: {A}\nEnviado el: lunes, 2 de noviembre de 2026 15:04\nPara: Ana\nAsunto: RE: x", "De: Acme\nFecha: lunes, 2 de noviembre\nPara: Ana\nAsunto: x"],
        "-----Mensaje original-----",
        ["Enviado desde mi iPhone", "Obtener Outlook para iOS"],
    ),
    "pt": (
        "Obrigada.",
        [f"Em seg., 2 de nov. de 2026 às 15:04, {A} escreveu:", f"{A} escreveu (segunda, 2/11/2026 à(s) 15:04):", "Em 02/11/2026 15:04, Acme escreveu:", "Às 15:04 de 02/11/2026, Acme escreveu:", f"No dia 02/11/2026, às 15:04, {A} escreveu:"],
        ["De: Acme\nEnviada em: segunda-feira, 2 de novembro de 2026 15:04\nPara: Ana\nAssunto: RES: x"],
        "-----Mensagem original-----",
        ["Enviado do meu iPhone", "Obter o Outlook para Android"],
    ),
    "fr": (
        "Merci.",
        [f"Le lun. 2 nov. 2026 à 15:04, {A} a écrit :", f"Le 2 nov. 2026 à 15:04, {A} a écrit :", "Le 02/11/2026 à 15:04, Acme a écrit :", f"Le lundi 2 novembre 2026 à 15 h 04, {A} a écrit :"],
        ["De : Acme\nEnvoyé : lundi 2 novembre 2026 15:04\nÀ : Anne\nObjet : RE: x"],
        "-----Message d’origine-----",
        ["Envoyé de mon iPhone", "Obtenir Outlook pour iOS"],
    ),
    "de": (
        "Danke.",
        [f"Am Mo., 2. Nov. 2026 um 15:04 Uhr schrieb {A}:", f"Am 02.11.2026 um 15:04 schrieb {A}:", "Am 02.11.26 um 15:04 schrieb Acme:", f"Am Montag, 2. November 2026, 15:04:05 MEZ hat {A} Folgendes geschrieben:"],
        ["Von: Acme\nGesendet: Montag, 2. November 2026 15:04\nAn: Anna\nBetreff: AW: x"],
        "-----Ursprüngliche Nachricht-----",
        ["Von meinem iPhone gesendet", "Gesendet mit der GMX Mail App für Android"],
    ),
    "it": (
        "Grazie.",
        [f"Il giorno lun 2 nov 2026 alle ore 15:04 {A} ha scritto:", "Il 02/11/2026 15:04, Acme ha scritto:"],
        ["Da: Acme\nInviato: lunedì 2 novembre 2026 15:04\nA: Anna\nOggetto: R: x"],
        "-----Messaggio originale-----",
        ["Inviato da iPhone", "Ottieni Outlook per iOS"],
    ),
    "nl": (
        "Dank je.",
        [f"Op ma 2 nov 2026 om 15:04 schreef {A}:", f"Op 2 nov 2026, om 15:04 heeft {A} het volgende geschreven:", "Op 02-11-2026 om 15:04 schreef Acme:"],
        ["Van: Acme\nVerzonden: maandag 2 november 2026 15:04\nAan: Anna\nOnderwerp: RE: x"],
        "-----Oorspronkelijk bericht-----",
        ["Verstuurd vanaf mijn iPhone", "Verzonden vanuit Outlook voor Android"],
    ),
    "pl": (
        "Dziękuję.",
        [f"pon., 2 lis 2026 o 15:04 {A} napisał(a):", f"Wiadomość napisana przez {A} w dniu 02.11.2026, o godz. 15:04:", "W dniu 2.11.2026 o 15:04, Acme pisze:"],
        ["Od: Acme\nWysłano: poniedziałek, 2 listopada 2026 15:04\nDo: Anna\nTemat: ODP: x"],
        "-----Oryginalna wiadomość-----",
        ["Wysłane z iPhone'a", "Pobierz aplikację Outlook dla systemu Android"],
    ),
    "tr": (
        "Teşekkürler.",
        [f"{A}, 2 Kas 2026 Pzt, 15:04 tarihinde şunu yazdı:", f"2 Kas 2026 tarihinde 15:04 saatinde, {A} şunları yazdı:", "2.11.2026 15:04 tarihinde Acme yazdı:"],
        ["Kimden: Acme\nGönderildi: 2 Kasım 2026 Pazartesi 15:04\nKime: Ayşe\nKonu: YNT: x"],
        "-----Orijinal Mesaj-----",
        ["iPhone'umdan gönderildi"],
    ),
    "ru": (
        "Спасибо.",
        [f"пн, 2 нояб. 2026 г. в 15:04, {A}:", f"2 нояб. 2026 г., в 15:04, {A} написал(а):", "02.11.2026 15:04, Acme пишет:"],
        ["От: Acme\nОтправлено: 2 ноября 2026 г. 15:04\nКому: Анна\nТема: x"],
        "-----Исходное сообщение-----",
        ["Отправлено с iPhone"],
    ),
    "ar": (
        "شكرًا.",
        [f"في الاثنين، 2 نوفمبر 2026 في 3:04 م تمت كتابة ما يلي بواسطة {A}:", f"في ٢ نوفمبر ٢٠٢٦، الساعة ٣:٠٤ م، كتب/كتبت {A}:"],
        ["من: Acme\nتاريخ الإرسال: 2 نوفمبر 2026\nإلى: آنا\nالموضوع: x"],
        "-----الرسالة الأصلية-----",
        ["أُرسلت من الـ iPhone", "مرسل من هاتف Samsung"],
    ),
    "he": (
        "תודה.",
        ["\u202bבתאריך יום ב׳, 2 בנוב׳ 2026 ב-15:04 מאת \u202aAcme\u202c\u200f <\u202acare@acme.example\u202c\u200f>:\u202c", "בתאריך 02/11/2026 בשעה 15:04, Acme כתב/ה:", f"ב-2 בנוב׳ 2026, בשעה 15:04, {A} כתב/ה:"],
        ["מאת: Acme\nנשלח: יום שני 02 נובמבר 2026 15:04\nאל: חנה\nנושא: x"],
        "-----הודעה מקורית-----",
        ["נשלח מה-iPhone שלי"],
    ),
    "hi": (
        "धन्यवाद।",
        [f"सोम, 2 नव॰ 2026 को 3:04 pm बजे को {A} ने लिखा:", "2 नव 2026 को 15:04 पर, Acme ने लिखा:"],
        ["प्रेषक: Acme\nभेजा गया: सोमवार, 2 नवंबर 2026 15:04\nप्रति: अन्ना\nविषय: x"],
        "-----मूल संदेश-----",
        ["मेरे iPhone से भेजा गया"],
    ),
    "th": (
        "ขอบคุณ",
        [f"ในวันที่ จ. 2 พ.ย. 2026 เวลา 15:04 {A} เขียนว่า:", "เมื่อ 2/11/2026 15:04, Acme เขียน:"],
        ["จาก: Acme\nส่งเมื่อ: 2 พฤศจิกายน 2026 15:04\nถึง: อันนา\nเรื่อง: x"],
        "-----ข้อความต้นฉบับ-----",
        ["ส่งจาก iPhone ของฉัน"],
    ),
    "ja": (
        "ありがとう。",
        [f"2026年11月2日(月) 15:04 {A}:", f"2026/11/02 15:04、{A}のメール:", "2026/11/02 15:04、Acmeのメール："],
        ["差出人: Acme\n送信日時: 2026年11月2日 15:04\n宛先: 安奈\n件名: x"],
        "-----元のメッセージ-----",
        ["iPhoneから送信"],
    ),
    "ko": (
        "감사합니다.",
        [f"2026년 11월 2일 (월) 오후 3:04, {A}님이 작성:", f"2026. 11. 2. 오후 3:04, {A} 작성:", "2026-11-02 오후 3:04에 Acme 이(가) 쓴 글:"],
        ["보낸 사람: Acme\n보낸 날짜: 2026년 11월 2일\n받는 사람: 안나\n제목: x"],
        "-----원본 메시지-----",
        ["나의 iPhone에서 보냄"],
    ),
    "zh-Hans": (
        "谢谢。",
        [f"{A} 于2026年11月2日周一 15:04写道：", f"2026年11月2日 15:04，{A} 写道：", "在 2026/11/2 15:04, Acme 写道:"],
        ["发件人: Acme\n发送时间: 2026年11月2日 15:04\n收件人: 安娜\n主题: x", "发件人: Acme\n日期: 2026年11月2日\n收件人: 安娜\n主题: x"],
        "------------------ 原始邮件 ------------------",
        ["发自我的 iPhone"],
    ),
    "zh-Hant": (
        "謝謝。",
        [f"{A} 於 2026年11月2日 週一 下午3:04寫道：", "Acme 於 2026/11/2 15:04 寫道："],
        ["寄件者: Acme\n寄件日期: 2026年11月2日 15:04\n收件者: 安娜\n主旨: x"],
        "-----原始郵件-----",
        ["從我的 iPhone 傳送"],
    ),
    "sv": (
        "Tack.",
        [f"Den mån 2 nov. 2026 kl 15:04 skrev {A}:", f"2 nov. 2026 kl. 15:04 skrev {A}:", "Den 2026-11-02 kl. 15:04, skrev Acme:"],
        ["Från: Acme\nSkickat: den 2 november 2026 15:04\nTill: Anna\nÄmne: SV: x"],
        "-----Ursprungligt meddelande-----",
        ["Skickat från min iPhone"],
    ),
    "da": (
        "Tak.",
        [f"Den man. 2. nov. 2026 kl. 15.04 skrev {A}:", "Den 02-11-2026 kl. 15.04 skrev Acme:"],
        ["Fra: Acme\nSendt: 2. november 2026 15:04\nTil: Anna\nEmne: SV: x"],
        "-----Oprindelig meddelelse-----",
        ["Sendt fra min iPhone"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", PROGRAMS)
def test_what_programs_write_is_cut(language: str) -> None:
    thanks, headings, heads, separator, devices = PROGRAMS[language]
    for heading in headings:
        for quote in ("> Hello\n>\n> Acme", "Hello\n\nAcme"):
            assert quotes.split(f"{thanks}\n\n{heading}\n{quote}") == quotes.Parts(thanks, f"{heading}\n{quote}", None), heading
        assert quotes.split(f"{thanks}\n{heading}\n\n> Hello").text == thanks, f"right below the answer: {heading}"
    for head in [*heads, separator]:
        block = f"{head}\n\nHello"
        assert quotes.split(f"{thanks}\n\n{block}") == quotes.Parts(thanks, block, None), head
    for device in devices:
        assert quotes.split(f"{thanks}\n\n{device}") == quotes.Parts(thanks, None, device), device


#: What people write that looks like it.
PERSONS = {
    "en": ["On 3 May at 10:30 your driver wrote:\nI am outside.\nHe was not!", "From: Madrid\nTo: Paris\nDate: 3 May\nPlease change my ticket.", "--- original message was lost, sorry\nSo again: where is it?", "Where is it?\n\nSent via the post on 3 May.", "Help!\n\nSent from my phone, because your shop does not work!"],
    "es": ["El lunes me escribió su empleado:\nvenga mañana.\nFui y estaba cerrado.", "De: Madrid\nPara: Sevilla\nFecha: 3 de mayo\nQuiero cambiar el billete."],
    "pt": ["Em maio o vosso técnico escreveu:\nvolto já.\nNão voltou.", "De: Lisboa\nPara: Porto\nQueria mudar o bilhete."],
    "fr": ["Le 3 mai votre livreur a écrit :\nje suis là.\nIl n'y était pas.", "De : Lyon\nÀ : Paris\nJe veux changer mon billet."],
    "de": ["Am 3. Mai schrieb Ihr Fahrer:\nich stehe vor der Tür.\nEr war nicht da.", "Von: Köln\nAn: Bonn\nDatum: 3. Mai\nBitte umbuchen.", "Wo ist es?\n\nGesendet mit der Post."],
    "it": ["Il 3 maggio il vostro corriere ha scritto:\nsono qui.\nNon c'era.", "Da: Roma\nA: Milano\nVorrei cambiare il biglietto."],
    "nl": ["Op 3 mei schreef uw chauffeur:\nik sta buiten.\nHij was er niet."],
    "pl": ["Dnia 3 maja kurier napisał:\njestem pod drzwiami.\nNie było go."],
    "tr": ["Kurye 3 Mayıs'ta yazdı:\nkapıdayım.\nYoktu."],
    "ru": ["В мае ваш курьер написал:\nя у двери.\nЕго не было.", "От: Москва\nКому: Казань\nПоменяйте билет."],
    "ar": ["في 3 مايو كتب السائق:\nأنا بالخارج.\nلم يكن هناك.", "من: دبي\nإلى: الرياض\nأريد تغيير التذكرة."],
    "he": ["ב-3 במאי השליח כתב:\nאני בחוץ.\nהוא לא היה שם."],
    "hi": ["3 मई को ड्राइवर ने लिखा:\nमैं बाहर हूँ।\nवह नहीं था।"],
    "th": ["คนขับเขียนว่า:\nอยู่หน้าบ้าน\nแต่ไม่มีใคร"],
    "ja": ["先日のメール:\n返金します。\nまだです。"],
    "ko": ["기사님이 작성:\n문 앞입니다.\n없었어요."],
    "zh-Hans": ["客服5月3日写道：\n明天退款。\n还没有收到。", "发件人: 上海\n收件人: 北京\n包裹丢了。"],
    "zh-Hant": ["客服5月3日寫道：\n明天退款。\n還沒有收到。"],
    "sv": ["Den 3 maj skrev er förare:\njag står utanför.\nDet gjorde han inte."],
    "da": ["Den 3. maj skrev jeres chauffør:\njeg er udenfor.\nDet var han ikke."],
}  # fmt: skip


@pytest.mark.parametrize("language", PERSONS)
def test_what_people_write_like_it_is_kept(language: str) -> None:
    for text in PERSONS[language]:
        assert quotes.split(text) == quotes.Parts(text)


def test_every_language_is_tried_both_ways() -> None:
    assert PROGRAMS.keys() == PERSONS.keys()
    assert len(PROGRAMS) == 20
