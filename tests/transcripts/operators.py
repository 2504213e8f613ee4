"""What an operator with 60 clients writes in 60 turns, in English and in Spanish."""

from datetime import UTC, datetime, timedelta

import nostr_sdk as sdk

from dca_bot.ledger.programme import clients, deposits
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.ledger.store.database import open_database
from transcripts.stage import SeededWorld, Stage

NAMES = [
    "ana",
    "maria",
    "mario",
    "marta",
    "marcos",
    "marisol",
    "jose",
    "josefa",
    "juan",
    "juana",
    "pedro",
    "luis",
    "luisa",
    "rosa",
    "rosario",
    "carmen",
    "carlos",
    "carla",
    "lucia",
    "lucas",
    "elena",
    "ester",
    "irma",
    "silvia",
    "sofia",
    "oscar",
    "otto",
    "olga",
    "hugo",
    "ingrid",
    "ivan",
    "jaime",
    "karla",
    "lorena",
    "manuel",
    "mynor",
    "nery",
    "nelson",
    "noemi",
    "pablo",
    "paola",
    "patty",
    "rafael",
    "ramiro",
    "raul",
    "rene",
    "rigo",
    "rocio",
    "rudy",
    "samuel",
    "sandra",
    "sara",
    "sergio",
    "tomas",
    "vilma",
    "wendy",
    "willy",
    "yesenia",
    "zoila",
    "zully",
]
WITHOUT_WALLET = ("hugo", "olga")
PAUSED = ("ivan", "nery")
LOW = {"rudy": 12_500, "zoila": 5_000, "patty": 0}


async def sixty_clients(world: SeededWorld) -> dict[str, str]:
    """Record 60 clients with wallets and confirmed deposits; return the npub of each."""
    keys = {name: sdk.Keys.parse(f"{number:064x}") for number, name in enumerate(NAMES, 1)}
    wallets = {
        name: world.lnbits.create_user_wallet(name) for name in NAMES if name not in WITHOUT_WALLET
    }
    began = datetime.now(UTC) - timedelta(days=30)

    def work(tx):
        for number, name in enumerate(NAMES, 1):
            pubkey = keys[name].public_key().to_hex()
            client = clients.add(tx, name=name, pubkey=pubkey, language="es", now=began)
            if name in wallets:
                key = Destination(INVOICE_KEY, wallets[name].invoice_key)
                clients.set_destination(tx, client.id, key)
            if name in PAUSED:
                clients.set_state(tx, clients.by_id(tx, client.id), clients.ClientState.PAUSED)
            amount = LOW.get(name, 50_000 + 5_000 * (number % 20))
            if amount:
                one = deposits.add(tx, client.id, amount_minor=amount, note="", now=began)
                deposits.confirm(tx, one, machine=None, now=began)

    database = await open_database(world.folder / "data")
    await database.transact(work)
    await database.aclose()
    return {name: key.public_key().to_bech32() for name, key in keys.items()}


async def carlos(stage: Stage, npubs: dict[str, str]) -> None:
    """The operator's day, from the first look in the morning to the evening's figures."""
    page, world = stage.page, stage.world
    ana = await world.person("ana", secret=f"{1:064x}")
    newcomer = sdk.Keys.parse(f"{100:064x}").public_key().to_bech32()
    page.scene("The morning")
    await stage.says("buenos dias")
    await stage.says("status")
    await stage.says("status all")
    await stage.says("que hay pendiente hoy?")
    await stage.says("clients", "60")
    page.scene("Finding people")
    await stage.says("clients mar", "marisol")
    await stage.says("clients low", "zoila")
    await stage.says("clients wallet", "hugo")
    await stage.says("clients paused", "ivan")
    await stage.says(npubs["maria"], "maria")
    await stage.says(f"client {npubs['mario']}", "mario")
    await stage.says("client marsiol")
    await stage.says("cuánto tiene josefa", "josefa")
    page.scene("Cash that people bring")
    await stage.says("deposit ana 1500 first of the month")
    await stage.says("ana trajo otros 300")
    await stage.says("{code}")
    await stage.says("deposits pending", "1,500")
    await stage.says("deposit confirm 60 Zona 10")
    await stage.says("confirm {code}")
    await stage.says("deposit confirm 9999")
    await stage.says("deposit zulu 100")
    await stage.says("depósito olga Q200\ndepósito hugo Q350")
    await stage.says(f"client add beatriz {newcomer} 800")
    await stage.says("ok, {code}")
    page.scene("The machine at work")
    sale = await stage.sale(2000)
    await stage.sale(500, machine="Antigua")
    await stage.short_sale(300)
    await stage.says("txs today", "2,000")
    await stage.says("txs held")
    await stage.says("ventas de antigua")
    await stage.says("holds", "accept")
    await stage.says("hold ignore 1")
    await stage.says("cancel")
    await stage.says("hold accept 1 Q250")
    await stage.says("{code}")
    await stage.says("hold ignore 77")
    await stage.says(f"tx {sale[:8]}", "2,000")
    await stage.says("payouts")
    await stage.says("client ana payouts")
    await stage.says("client ana history")
    page.scene("A client writes")
    await stage.hears(ana, "contacto ¿Puedo cambiar mi depósito del sábado al domingo?")
    await stage.says("reply ana Sí, el domingo de 10 a 12.")
    await stage.hears(ana, "retirar 100")
    await stage.says("withdraw ana 100 Zona 10")
    await stage.says("confirm {code}")
    await stage.says("client ana", "ana")
    await stage.says("log ana")
    await stage.says("message low Su saldo está por terminarse. ¿Cuándo trae el próximo depósito?")
    await stage.says("{code}")
    await stage.says("client pause raul")
    await stage.says("reanuda a raúl")
    await stage.says("yes")
    page.scene("Stopping and starting")
    await stage.says("pausa a todos")
    await stage.says("no")
    await stage.says("pause all")
    await stage.says("Confirm {code}")
    await stage.says("status")
    await stage.says("resume all")
    await stage.says("{code} ✅")
    await stage.says("don't pause anything")
    page.scene("Money")
    await stage.says("cuanto hay en la billetera")
    await stage.says("topup 100000")
    await stage.says("cash")
    await stage.says("cash count zona 10 1500")
    await stage.says("price")
    await stage.says("today", "2,750")
    await stage.says("month")
    await stage.says("ganancias de este mes")
    await stage.says("earnings")
    await stage.says("audit")
    await stage.says("gracias, buenas noches")
