"""Reading messages: exact commands, plain words, arguments, several lines, codes and secrets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lnurl_codes import SPECIFIED, code_of

from dca_bot.chat.understanding.intents import changes
from dca_bot.chat.understanding.meaning import NOTHING, Certainty, Understanding
from dca_bot.chat.understanding.reading import understand, vocabulary_of
from dca_bot.messages.lexicon import LEXICONS

CLIENT, OPERATOR = (vocabulary_of(role, LEXICONS) for role in ("client", "operator"))
NPUB = "npub1gqen388kvv4pwf2xwj8a5708lw4ua9zt25kmtkagrvtvq8lvxaas42vruv"
KEY = "2b" * 16
LNURL = SPECIFIED.lower()
GIFT = code_of("https://example.com/w/1?tag=withdrawRequest&k1=00ff")
SURE, ASK = Certainty.SURE, Certainty.ASK


def wide(text):
    """Return a text in characters of full width, as some keyboards write."""
    return "".join(chr(ord(char) + 0xFEE0) for char in text)


def meant(understood):
    return [(one.intent, one.arguments) for one in understood.intents]


def only(understood):
    assert len(understood.intents) == 1, understood
    return understood.first.intent, understood.first.arguments


@pytest.mark.parametrize(
    ("text", "intent", "arguments"),
    [
        ("pausar", "pause", {}),
        ("PAUSA, por favor 🙏", "pause", {}),
        ("billetera ana@example.com", "wallet", {"destination": "ana@example.com"}),
        ("modo fijo", "mode", {"mode": "fixed"}),
        ("mode fixed 50", "mode", {"mode": "fixed", "amount": "50.00"}),
        ("modo fijo 50 al día", "mode", {"mode": "fixed", "amount": "50.00"}),
        ("avisos semanal", "notify", {"notify": "weekly"}),
        ("ayuda todo", "help", {"command": "all"}),
        ("ayuda billetera", "help", {"command": "wallet"}),
        ("idioma español", "language", {"language": "es"}),
        ("estadísticas 1 año", "stats", {"range": "1y"}),
        ("gráfica 30 días", "chart", {"range": "30d"}),
        ("history 2026-03", "history", {"page": "2026-03"}),
        ("historial página 2", "history", {"page": "2"}),
        ("export koinly", "export", {"range": "koinly"}),
        ("limit 500 a week", "limit", {"amount": "500.00", "period": "weekly"}),
        ("tope 200", "cap", {"amount": "200.00"}),
        ("cap off", "cap", {"amount": "off"}),
        ("/saldo", "balance", {}),
        ("@ahorro_bot saldo", "balance", {}),
        ("> Saldo: 5.00 GTQ\nhistorial", "history", {}),
        ("\u200bs\u200bal\u2060do\ufeff", "balance", {}),
        (wide("saldo"), "balance", {}),
        ("esta\u0301disticas", "stats", {}),
    ],
)
def test_a_command_is_sure_in_any_language_and_dress(text, intent, arguments):
    found = understand(text, CLIENT)
    assert only(found) == (intent, arguments)
    assert found.certainty is SURE


@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        ("100", "100.00"),
        ("Q 100", "100.00"),
        ("Q.100", "100.00"),
        ("GTQ 100", "100.00"),
        ("100 quetzales", "100.00"),
        ("100Q", "100.00"),
        ("100 al día", "100.00"),
        ("100/día", "100.00"),
        ("100 diarios", "100.00"),
        ("100 a day", "100.00"),
        ("100.-", "100.00"),
        ("+100", "100.00"),
        ("1,000", "1000.00"),
        ("1'000", "1000.00"),
        ("1,234.56", "1234.56"),
        ("1k", "1000.00"),
        ("1.5k", "1500.00"),
        ("mil", "1000.00"),
        ("2 mil", "2000.00"),
        ("dos mil quinientos", "2500.00"),
        ("treinta y cinco", "35.00"),
        ("ciento veinticinco quetzales", "125.00"),
        ("one thousand five hundred", "1500.00"),
        ("two hundred fifty", "250.00"),
        ("૧૦૦", "100.00"),
        (wide("100"), "100.00"),
    ],
)
def test_an_amount_is_read_as_people_write_amounts(typed, amount):
    found = understand(f"límite {typed}", CLIENT)
    assert only(found) == ("limit", {"amount": amount})
    assert found.certainty is SURE


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("1.000", "wrong.amount"),
        ("1,5", "wrong.amount"),
        ("1 000", "wrong.amount_split"),
        ("-5", "wrong.amount"),
        ("$100", "wrong.other_unit"),
        (wide("$") + "100", "wrong.other_unit"),
        ("100 USD", "wrong.other_unit"),
        ("100 dólares", "wrong.other_unit"),
        ("1500 mil", "wrong.amount"),
        ("100 k", "wrong.amount"),
        ("off", "wrong.amount"),
    ],
)
def test_an_amount_that_can_be_read_in_two_ways_is_refused(typed, why):
    assert only(understand(f"limit {typed}", CLIENT)) == (
        "refused",
        {"why": why, "command": "limit"},
    )


@pytest.mark.parametrize(
    "text",
    ["suba mi limite de 100 a 200", "retirar 500 de mis 1000", "ponga 50 o 60 al dia"],
)
def test_no_number_of_a_sentence_is_chosen_among_several(text):
    assert understand(text, CLIENT).first.arguments == {}


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        ("ana@example.com", "ana@example.com"),
        ("mi dirección es Ana@Example.com.", "ana@example.com"),
        ("mande a <ana@example.com> gracias", "ana@example.com"),
        ("wallet\nana@example.com", "ana@example.com"),
        ("⚡ana@example.com", "ana@example.com"),
        (KEY, KEY),
        (LNURL, LNURL),
        (f"lightning:{LNURL.upper()}", LNURL),
        ("wallet lnurlp://example.com/Pay", "lnurlp://example.com/Pay"),
        ("lnurlp://example.com/pay?id=7", "lnurlp://example.com/pay?id=7"),
        ("mi billetera es lnurlp://example.com/p?id=aGk==.", "lnurlp://example.com/p?id=aGk=="),
        ("wallet lnurlp://example.com/u/7/pay/", "lnurlp://example.com/u/7/pay/"),
        ("LNURLP://Example.com/u/7/Pay", "lnurlp://example.com/u/7/Pay"),
        ("mailto:ana@example.com?subject=sats", "ana@example.com"),
    ],
)
def test_a_bare_destination_is_a_wallet(text, destination):
    found = understand(text, CLIENT)
    assert only(found) == ("wallet", {"destination": destination})
    assert found.certainty is SURE


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "form.on_chain"),
        ("mande a 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "form.on_chain"),
        (f"lnbc1500n1{'p5ahqpuw' * 8}", "form.invoice"),
        (f"wallet lno1{'pg257enx' * 8}", "form.offer"),
        (NPUB, "form.nostr_key"),
        ("wallet https://example.com/shop", "form.web_page"),
        ("https://example.com/shop", "form.web_page"),
        ("wallet maría@example.com", "form.other_letters"),
        ("wallet maria@example", "form.unknown"),
        ("wallet LNURL1BROKEN00000", "form.lnurl_broken"),
        ("bitcoin:bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4?amount=0.1", "form.on_chain"),
        ("wallet lnurlc://example.com/channel", "form.lnurl_other"),
        ("wallet keyauth://example.com/login?tag=login&k1=00ff", "form.lnurl_login"),
        ("keyauth://example.com/login?tag=login&k1=00ff", "form.lnurl_login"),
        (f"wallet {GIFT}", "form.lnurl_withdraw"),
        ("wallet ana@example.com eva@example.com", "form.several"),
        ("wallet maria @example.com", "destination.unreadable"),
        ("wallet Wallet of Satoshi", "destination.unreadable"),
    ],
)
def test_what_cannot_be_paid_is_refused_with_its_reason(text, why):
    intent, arguments = only(understand(text, CLIENT))
    assert (intent, arguments["why"]) == ("refused", why)


@pytest.mark.parametrize(
    "text",
    [
        "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5",
        "mi clave: nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5 pausar",
        f"{'abandon ' * 11}about",
        f"admin key {KEY}",
        "wallet https://lnbits.example/wallet?usr=abc123",
        "contact my words cashuAeyJ0b2tlbiI6W10",
        "4a" * 32,
    ],
)
def test_a_secret_is_refused_before_anything_else_and_not_repeated(text):
    found = understand(f"{text} x", CLIENT)
    intent, arguments = only(found)
    assert intent == "refused"
    assert list(arguments) == ["why"]
    assert str(arguments["why"]).startswith("secret.")


@pytest.mark.parametrize(
    "text",
    [
        *("7K2Q", "7k2q", "sí, 7K2Q.", "«7K2Q»", "*7K2Q*", "confirmar 7k2q", "ok 7K2Q gracias"),
        *("el código es 7K2Q", "Confirm 7K2Q", "yes 7K2Q please", "- 7K2Q", "7K2Q 👍"),
        *("Bueno, confirmar 7K2Q", "bueno 7k2q", "ah ok 7K2Q", "I confirm 7K2Q", "confirme 7K2Q"),
        *(
            "ya le mando 7K2Q",
            "responda confirmar 7K2Q",
            "Reply: confirm 7K2Q",
            "here's the code: 7K2Q",
        ),
        *(
            "7K2Q es el código",
            "7K2Q is my code",
            "confirmar 7 k 2 q",
            "7 K 2 Q",
            "sí confirmo 7K2Q",
        ),
    ],
)
def test_a_code_is_read_in_any_wrapping(text):
    assert only(understand(text, CLIENT)) == ("confirm", {"code": "7K2Q"})


@pytest.mark.parametrize(
    "text",
    [
        *("7K2Q?", "no 7K2Q", "me dijo 7K2Q", "07K2Q", "7K2", "si me da 7K2Q", "7 K 2 Q no"),
        *("que es 7K2Q", "qué es 7K2Q", "que es confirmar 7K2Q", "que 7K2Q", "que es eso de 7K2Q"),
        *("de que es 7K2Q", "is it 7K2Q", "is it confirm 7K2Q", "is that 7K2Q", "is this 7K2Q"),
        *("7K2Q que es", "7K2Q de que es", "7K2Q es de que", "es que 7K2Q", "lo de 7K2Q"),
        *(
            "eso de 7K2Q",
            "por 7K2Q",
            "y 7K2Q",
            "y es 7K2Q",
            "y si confirmo 7K2Q",
            "que confirmar 7K2Q",
        ),
        *(
            "que es el 7K2Q",
            "what is the code 7K2Q",
            "the 7K2Q thing",
            "do 7K2Q",
            "is the code 7K2Q",
        ),
        *("me da 7K2Q", "dio 7K2Q", "of 7K2Q", "7K2Q this", "7K2Q this is", "7K2Q que me dio"),
    ],
)
def test_a_code_that_is_asked_denied_or_misspelt_confirms_nothing(text):
    for vocabulary in (CLIENT, OPERATOR):
        assert all("code" not in one.arguments for one in understand(text, vocabulary).intents)


@pytest.mark.parametrize(
    ("text", "intents"),
    [
        ("saldo\nhistorial", ["balance", "history"]),
        ("saldo e historial", ["balance", "history"]),
        ("balance; history", ["balance", "history"]),
        ("balance history", ["balance", "history"]),
        ("Buenos días\nsaldo\ngracias", ["balance"]),
        ("hola, ¿cuánto tengo?", ["balance"]),
        ("saldo y cuándo es la próxima compra", ["balance", "when"]),
        ("saldo\nqwerty", ["balance"]),
        ("pausar\nsaldo", ["pause", "balance"]),
    ],
)
def test_several_commands_are_read_in_order(text, intents):
    found = understand(text, CLIENT)
    assert [one.intent for one in found.intents] == intents
    assert found.certainty is SURE


def test_nothing_runs_where_a_line_beside_a_change_is_not_understood():
    found = understand("pausar\nqwerty asdf", CLIENT)
    assert found.certainty is ASK


@pytest.mark.parametrize(
    "text",
    [
        *("No quiero\npausar", "no\npausar", "si baja\npausar", "puedo\npausar"),
        *("me dijo:\nlimit 100", "cuando pueda, limite 200", "pausar\nno"),
    ],
)
def test_a_sentence_over_several_lines_changes_no_more_than_in_one(text):
    found = understand(text, CLIENT)
    assert not {one.intent for one in found.intents} & {"pause"}
    assert "100.00" not in str(found)
    assert "200.00" not in str(found)


def test_a_text_takes_all_further_lines_as_they_are():
    found = understand("contacto No me llega\nnada; ¿qué hago?\n\nlimit 5", CLIENT)
    assert only(found) == ("contact", {"text": "No me llega\nnada; ¿qué hago?\n\nlimit 5"})
    found = understand("mensaje a ana Ya llegó.\npausar todo", OPERATOR)
    assert only(found) == ("message", {"name": "ana", "text": "Ya llegó.\npausar todo"})
    found = understand("broadcast Don't pause\n1,500 > 5", OPERATOR)
    assert only(found) == ("broadcast", {"text": "Don't pause\n1,500 > 5"})


@pytest.mark.parametrize(
    ("text", "intent", "arguments"),
    [
        ("quiero pausar", "pause", {}),
        ("limit to 100", "limit", {"amount": "100.00"}),
        ("comprar 100 al día", "limit", {"amount": "100.00"}),
        ("páseme a modo fijo", "mode", {"mode": "fixed"}),
        ("start buying again", "resume", {}),
        ("ya no me mande avisos", "notify", {}),
        ("solo mandeme un mensaje a la semana", "notify", {"notify": "weekly"}),
    ],
)
def test_a_setting_in_plain_words_is_asked_back(text, intent, arguments):
    found = understand(text, CLIENT)
    assert only(found) == (intent, arguments)
    assert found.certainty is ASK or not arguments
    assert found.asked[:1] == ((intent,) if found.certainty is ASK else ())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("¿cómo pauso?", ("help", {"command": "pause"})),
        ("what happens if I pause", ("help", {"command": "pause"})),
        ("¿límite 100?", ("limit", {})),
        ("¿puedo retirar 500?", ("withdraw", {})),
        ("mi billetera es ana@example.com?", ("wallet", {})),
    ],
)
def test_a_question_about_a_change_gets_what_tells_something(text, told):
    found = understand(text, CLIENT)
    assert only(found) == told
    assert found.certainty in (SURE, ASK)


@pytest.mark.parametrize(
    ("text", "intent", "arguments"),
    [
        ("maria01 1500", "deposit", {"name": "maria01", "amount": "1500.00"}),
        ("deposit 1500 maria01", "deposit", {"name": "maria01", "amount": "1500.00"}),
        ("deposit confirm 1 2 3 Market", "deposit confirm", {"id": "1,2,3", "machine": "Market"}),
        ("deposit confirm 1-5", "deposit confirm", {"id": "1-5"}),
        ("confirmar depósitos 4 y 5", "deposit confirm", {"id": "4,5"}),
        ("confirm all", "deposit confirm", {}),
        ("hold accept 1 100", "hold accept", {"id": "1", "fiat": "100.00"}),
        ("corregir deposito 4 a 1600", "deposit edit", {"id": 4, "amount": "1600.00"}),
        ("topup 0.005 BTC", "topup", {"amount": 500_000}),
        ("topup 500k", "topup", {"amount": 500_000}),
        ("commission set rosa 12,5 %", "commission set", {"name": "rosa", "percent": "12.50"}),
        ("client ana history", "client", {"name": "ana", "view": "history"}),
        (f"who is {NPUB}", "client", {"name": NPUB}),
        (f"client add {NPUB} rosa", "client add", {"name": "rosa", "npub": NPUB}),
        (
            f"agregar cliente rosa {NPUB} mil quinientos",
            "client add",
            {"name": "rosa", "npub": NPUB, "amount": "1500.00"},
        ),
        ("cash count Zona 10 12000", "cash count", {"machine_amount": "Zona 10 12000"}),
        ("stop everything", "pause all", {}),
        ("depositos pendientes", "deposits pending", {}),
        ("txs today", "txs", {"filter": "today"}),
    ],
)
def test_an_operators_arguments_are_found_in_any_order(text, intent, arguments):
    found = understand(text, OPERATOR)
    assert only(found) == (intent, arguments)
    assert found.certainty is SURE


def test_several_deposits_in_one_line_are_several_commands():
    found = understand("deposit ana 1500, eva 500", OPERATOR)
    amounts = [("ana", "1500.00"), ("eva", "500.00")]
    assert meant(found) == [("deposit", {"name": n, "amount": a}) for n, a in amounts]


@pytest.mark.parametrize(
    "verb", ["pause", "pausar", "stop", "parar a", "detener", "pausr", "suspend"]
)
@pytest.mark.parametrize("name", ["maria", "maria01", "Ana", "todito", "alma", "allan", "todd"])
def test_pausing_a_client_never_proposes_to_pause_all(verb, name):
    for text in (f"{verb} {name}", f"{verb} all {name}", f"por favor {verb} {name}"):
        found = understand(text, OPERATOR)
        assert "pause all" not in [*(one.intent for one in found.intents), *found.asked]
        assert found.certainty is not SURE


@pytest.mark.parametrize(
    "text",
    [
        "deposito de Q1,500 de maria",
        "deposit of 1500 from maria",
        "registre un depósito de maria por 1500",
        "anota un depósito de Q 1,500 para maria",
        "apúntele Q. 1,500 a maria",
        "record GTQ 1,500 from maria",
    ],
)
@pytest.mark.parametrize("names", [(), ("maria",)], ids=["no_name_known", "name_known"])
def test_small_words_verbs_and_units_are_no_names(text, names):
    given = {"name": "maria", "amount": "1500.00"}
    assert only(understand(text, OPERATOR, names)) == ("deposit", given)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("ana vino por sus 200", "withdraw"),
        ("ana trajo 200", "deposit"),
        ("juan wants 300 back", "withdraw"),
        ("juan brought 300", "deposit"),
    ],
)
def test_the_verb_says_whether_money_comes_or_goes(text, intent):
    assert understand(text, OPERATOR, {"ana", "juan"}).first.intent == intent


def test_a_command_beside_words_of_another_matter_is_asked_back():
    found = understand("my total is for the carpenter's dentist", CLIENT)
    assert (found.first.intent, found.certainty) == ("balance", ASK)


@pytest.mark.parametrize("text", ["earnings hoy", "ganancias hoy", "earnings today"])
def test_earnings_of_today_are_a_single_command(text):
    assert only(understand(text, OPERATOR)) == ("earnings", {"range": "today"})


@pytest.mark.parametrize("text", ["thanks a lot", "gracias por todo", "muchas bendiciones gracias"])
def test_thanks_with_words_that_say_nothing_are_thanks(text):
    assert only(understand(text, CLIENT)) == ("thanks", {})


@pytest.mark.parametrize("text", ["mensaje que ya está", "message that is done"])
def test_a_message_goes_to_no_small_word(text):
    assert "text" not in understand(text, OPERATOR).first.arguments
    assert understand(text, OPERATOR).certainty is not Certainty.SURE


def test_a_client_may_be_named_like_a_small_word():
    given = {"name": "casa", "amount": "500.00"}
    assert understand("deposit casa 500", OPERATOR, {"casa"}).first.arguments == given
    assert understand("deposit casa 500", OPERATOR).first.arguments == {}


def test_a_clients_name_is_never_read_as_a_word():
    assert understand("pausar todo", OPERATOR).first.intent == "pause all"
    found = understand("pausar hoy", OPERATOR, names={"hoy"})
    assert only(found) == ("client pause", {"name": "hoy"})
    assert understand("ana 500", OPERATOR).certainty is ASK
    assert understand("ana 500", OPERATOR, names={"ana"}).certainty is SURE


def test_a_new_clients_name_is_a_single_word():
    for text in (
        f"client add Ana María {NPUB} 5",
        f'client add "pedro lopez" {NPUB}',
        "client add eva",
    ):
        assert understand(text, OPERATOR).first.intent == "refused"


@pytest.mark.parametrize(
    "text", ["", "   ", "\n\n", "> pausar", "[voice message]", "🖼️", "x" * 2001]
)
def test_a_message_that_says_nothing_means_nothing(text):
    assert understand(text, CLIENT) == NOTHING


def test_files_mean_nothing():
    for text in ("https://example.com/1f3a.m4a", "data:image/png;base64,iVBORw0KGgo="):
        assert understand(text, CLIENT) == NOTHING


@settings(deadline=None)  # the first example builds the index of both roles
@given(st.text(max_size=300))
def test_any_text_has_a_meaning(text):
    for vocabulary in (CLIENT, OPERATOR):
        found = understand(text, vocabulary)
        assert isinstance(found, Understanding)
        assert found.intents
        assert bool(found.asked) == (found.certainty is ASK)


WORDS = st.sampled_from(
    [
        *("no", "si", "pausar", "limite", "wallet", "100", "1.500", "ana@example.com", "7K2Q"),
        *(
            "saldo",
            ",",
            "?",
            "¿",
            '"',
            "«",
            "»",
            ">",
            "y",
            "e",
            "mil",
            "de",
            "a",
            "todo",
            "confirm",
        ),
        *("deposit", "maria01", "all", "#1", "hola", "gracias", "\n", "dijo", "cuando"),
    ]
)


@settings(deadline=None)
@given(st.lists(WORDS, max_size=9).map(" ".join))
def test_words_in_any_order_have_a_meaning(text):
    for vocabulary in (CLIENT, OPERATOR):
        assert understand(text, vocabulary).intents


def test_a_recipient_may_be_named_like_a_word_of_the_lexicons():
    found = understand("commission set partner 50 rosa@example.com", OPERATOR)
    assert only(found) == (
        "commission set",
        {"name": "partner", "percent": "50.00", "destination": "rosa@example.com"},
    )


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("historial noviembre", "november"),
        ("history november", "november"),
        ("History Nov", "november"),
        ("historial setiembre", "september"),
        ("las compras de agosto por favor", "august"),
        ("history may", "may"),
        ("history 2026-03", "2026-03"),
    ],
)
def test_history_of_a_month_takes_its_name(text, month):
    assert only(understand(text, CLIENT)) == ("history", {"page": month})


def test_may_is_no_month_in_a_polite_question():
    assert only(understand("may i see my history", CLIENT)) == ("history", {})


@pytest.mark.parametrize("text", ["pausar a juan", "pausa a maria por favor", "reactive a pedro"])
def test_client_pauses_nobody_else(text):
    assert understand(text, CLIENT).first.intent == "none"
    assert understand(text, CLIENT).certainty is Certainty.NONE


def test_client_pauses_her_own_purchases_by_any_name():
    assert understand("pausar a mi cuenta", CLIENT).asked[0] == "pause"


@pytest.mark.parametrize(
    ("text", "machine"),
    [
        ("ventas de antigua", "antigua"),
        ("ventas en Mercado", "Mercado"),
        ("sales at zona10", "zona10"),
    ],
)
def test_sales_of_a_machine(text, machine):
    assert only(understand(text, OPERATOR)) == ("txs", {"filter": machine})


@pytest.mark.parametrize("text", ["ventas de hoy", "sales today", "ver transacciones de hoy"])
def test_sales_of_today_name_no_machine(text):
    assert only(understand(text, OPERATOR)) == ("txs", {"filter": "today"})


def test_sales_that_wait():
    assert only(understand("ventas retenidas", OPERATOR)) == ("txs", {"filter": "held"})


@pytest.mark.parametrize("amount", ["100 + 50", "Q100 + Q50", "1,500 + 50 quetzales", "100 ½"])
def test_a_sum_of_a_deposit_is_refused(amount):
    """The first number alone would be another amount, with the rest in the note."""
    assert only(understand(f"deposit ana {amount}", OPERATOR)) == (
        "refused",
        {"why": "wrong.amount", "command": "deposit"},
    )


def test_ids_are_joined_by_a_plus():
    assert only(understand("deposit confirm 1 + 3", OPERATOR)) == (
        "deposit confirm",
        {"id": "1,3"},
    )


def test_text_keeps_its_plus():
    assert only(understand("message ana 2 + 2", OPERATOR)) == (
        "message",
        {"name": "ana", "text": "2 + 2"},
    )


def test_daily_ceiling_is_the_limit():
    assert only(understand("cuál es mi tope diario", CLIENT)) == ("limit", {})


@pytest.mark.parametrize("text", ["anuncio Hola", "broadcast Hola", "anuncio Gracias"])
def test_polite_words_of_an_announcement_are_its_text(text):
    word = text.split()[1]
    assert only(understand(text, OPERATOR)) == ("broadcast", {"text": word})


@pytest.mark.parametrize("vocabulary", [CLIENT, OPERATOR], ids=["client", "operator"])
def test_thanks_with_a_good_night_are_thanks(vocabulary):
    for text in ("gracias, buenas noches", "muchas gracias, buenas tardes"):
        assert only(understand(text, vocabulary)) == ("thanks", {})


def test_who_else_saves_here_is_not_told():
    assert understand("¿quién más ahorra aquí?", CLIENT).certainty is Certainty.NONE


@pytest.mark.parametrize(
    "text",
    [
        "pausar todo menos ana",
        "pausar todos menos a ana",
        "pause everyone but ana",
        "confirme todos los depósitos menos el 4",
        "ignore todos los holds menos el 4",
        "confirm all but deposit 4",
    ],
)
def test_exception_is_not_taken_for_the_rule(text):
    """A yes to the question would do the opposite."""
    found = understand(text, OPERATOR, frozenset({"ana"}))
    assert not any(changes("operator", one.intent) for one in found.intents)
