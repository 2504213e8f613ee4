"""Each client is written to in the language that the client chose; operators in the programme's."""

import pytest
from scaffold import open_ledger
from talk import PEOPLE, Talk, code_in, make_programme

from dca_bot.messages.render import LANGUAGES, load_texts

NAMES = {
    code: texts["locale.name"] for code, texts in load_texts(make_programme()).catalogues.items()
}
OFFERED = "\n".join(f"language {code}: {name}" for code, name in NAMES.items())
USAGE = f"language [{'|'.join(LANGUAGES)}]"


@pytest.fixture
async def maria(talk):
    await talk.add_client("maria", balance="1500")
    return talk


@pytest.fixture
async def spanish(tmp_path):
    """A programme that speaks Spanish by itself."""
    folder = tmp_path / "data"
    database = await open_ledger(folder)
    yield Talk(database, folder, make_programme(language="es"))
    await database.aclose()


async def test_client_who_chooses_spanish_gets_answers_pushes_and_refusals_in_it(maria):
    assert "Language: English" in await maria.tell("maria", "settings")
    assert await maria.tell("maria", "language es") == ("Desde ahora le escribo en español.")
    assert (await maria.tell("maria", "balance")).startswith("Efectivo por convertir: Q1,500.00\n")
    assert "Idioma: español" in await maria.tell("maria", "settings")
    await maria.do("op", "withdraw maria 100")
    assert (await maria.letters_to("maria"))[-1] == (
        "Recibió Q100.00 de vuelta en efectivo. Su saldo es Q1,400.00."
    )
    assert await maria.tell("maria", "wallet somewhere") == (
        "Esa no es una billetera a la que pueda pagar. Envíe una dirección Lightning como"
        " nombre@example.com (su app de billetera la muestra en Recibir), un código LNURL"
        " para recibir pagos (lnurl1…) o la invoice key de una billetera LNbits (32 letras y números)."
    )
    assert "No conozco ese comando" in await maria.tell("maria", "holds")
    assert "lo que ha ahorrado" in await maria.tell("maria", "help all")
    assert "From now on I write to you in English." in await maria.tell("maria", "LANGUAGE En")
    assert (await maria.tell("maria", "balance")).startswith("Cash still to convert: Q1,400.00")


async def test_others_are_still_written_to_in_their_own_language(maria):
    await maria.add_client("juan")
    await maria.tell("maria", "language es")
    assert (await maria.tell("juan", "balance")).startswith("Cash still")
    assert "broadcast" in await maria.tell("op", "help all")
    await maria.do("op", "broadcast Cerrado el domingo.")
    heads = {name: (await maria.letters_to(name))[-1].split("\n")[0] for name in ("maria", "juan")}
    assert heads == {"maria": "Un mensaje del operador:", "juan": "A message from the operator:"}
    told = await maria.tell("op", "log")
    assert "maria, language: From now on I write to you in español." in told


async def test_choice_outlives_a_restart_and_is_told_where_it_is_so_already(maria):
    await maria.tell("maria", "language es")
    maria.start()
    assert await maria.tell("maria", "language es") == "Ya está así: le escribo en español."
    before = await maria.count("command_log")
    await maria.tell("maria", "language es")
    assert await maria.count("command_log") == before


@pytest.mark.parametrize("text", ["language zz", "language ../en"])
async def test_unknown_language_is_refused_with_those_that_there_are(maria, text):
    told = await maria.tell("maria", text)
    assert OFFERED in told
    assert {"language en: English", "language es: español"} <= set(told.splitlines())
    assert USAGE in told
    assert (await maria.client("maria")).language == "en"


async def test_language_that_is_not_clear_is_explained(maria):
    told = await maria.tell("maria", "language en es")
    assert OFFERED in told
    assert (await maria.client("maria")).language == "en"


@pytest.mark.parametrize(
    "text", ["language español", "idioma español", "idioma es", "lenguaje espanol"]
)
async def test_language_is_known_by_the_name_in_any_language(maria, text):
    assert (await maria.tell("maria", text)).startswith("Desde ahora le escribo en español.")
    assert (await maria.client("maria")).language == "es"


async def test_language_alone_tells_which_it_is_and_which_there_are(maria):
    assert await maria.tell("maria", "language") == (
        f"I write to you in English. To change it:\n{OFFERED}"
    )


async def test_operator_has_no_language_to_choose(maria):
    assert "a command for clients" in await maria.tell("op", "language es")


async def test_what_was_asked_in_one_language_is_asked_again_in_the_other(maria):
    english = await maria.tell("maria", "wallet maria@example.com")
    assert "Reply: confirm" in english
    await maria.tell("maria", "language es")
    spanish = await maria.tell("maria", f"confirm {code_in(english)}")
    assert spanish.startswith("Esto cambió mientras tanto, así que aún no se hizo nada.")
    assert "Desde ahora su bitcoin iría a maria@example.com." in spanish
    assert (await maria.client("maria")).destination.value != "maria@example.com"
    done = await maria.tell("maria", f"confirm {code_in(spanish)}")
    assert done == "Listo. Desde ahora su bitcoin va a maria@example.com."
    assert (await maria.client("maria")).destination.value == "maria@example.com"
    assert (await maria.letters_to("op"))[-1].startswith("By maria: maria has changed the wallet")


async def test_programme_in_spanish_speaks_it_to_operators_new_clients_and_strangers(spanish):
    asked = await spanish.tell("op", "client add maria {maria} 100")
    assert asked.startswith("Agregar al cliente maria con un depósito pendiente de Q100.00.")
    added = await spanish.tell("op", f"confirm {code_in(asked)}")
    assert added.endswith("Cuando esté en la máquina: depósito confirmar 1")
    assert (await spanish.letters_to("maria"))[0].startswith("¡Le damos la bienvenida, maria!")
    assert (await spanish.client("maria")).language == "es"
    assert (await spanish.tell("stranger", "hola")).startswith("¡Hola!")
    hold = await spanish.hold_cash_out("held-one")
    assert (await spanish.letters_to("op"))[-1].startswith("Algo espera su decisión.\nRetención #1")
    assert f"retención aceptar {hold}" in await spanish.tell("op", "holds")
    assert "En marcha." in await spanish.tell("op", "status")
    assert "Todo está bien: todo cuadra." in await spanish.tell("op", "audit")


async def test_language_that_is_gone_is_written_in_english(maria):
    await maria.sql("UPDATE client SET language = 'xx' WHERE pubkey = ?", PEOPLE["maria"])
    assert (await maria.tell("maria", "balance")).startswith("Cash still to convert:")
    assert "Language: xx" in await maria.tell("maria", "settings")
    for language in LANGUAGES:
        await maria.tell("maria", f"language {language}")
        assert (await maria.client("maria")).language == language
