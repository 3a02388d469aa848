from storage import meta
from storage.database import Database


async def test_a_value_that_was_set_first_stays(database: Database) -> None:
    assert await database.write(lambda tx: meta.set_if_absent(tx, "fingerprint", "a")) == "a"
    assert await database.write(lambda tx: meta.set_if_absent(tx, "fingerprint", "b")) == "a"
    assert await database.read(lambda tx: meta.get(tx, "fingerprint")) == "a"
    assert await database.read(lambda tx: meta.get(tx, "other")) is None
