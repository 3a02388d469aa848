"""Pictures of notifications: uploaded, made small, served for ever, deleted."""

import asyncio
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse

from gateway.context import Context
from gateway.images import pictures
from gateway.images.shelf import Shelf
from tests.api.conftest import Api
from tests.pictures import bomb, logo, moving, opened, photograph

PUBLIC = "https://push.example.net"


async def upload(
    api: Api, site: str, picture: bytes, status: int = 201, purpose: str = "icon", kind: str = "png"
) -> Any:
    path = f"/v1/sites/{site}/images?purpose={purpose}"
    headers = {"Content-Type": f"image/{kind}"}
    return await api.post(path, status=status, data=BytesIO(picture), headers=headers)


async def load(api: Api, url: str, status: int = 200, **headers: str) -> ClientResponse:
    """As a browser does; read to its end."""
    answer = await api.client.get(local(url), headers=headers)
    await answer.read()
    assert answer.status == status
    return answer


def local(url: str) -> str:
    assert url.startswith(f"{PUBLIC}/i/")
    return url.removeprefix(PUBLIC)


async def test_a_picture_is_made_small_listed_shown_and_deleted(api: Api, site: str) -> None:
    picture = photograph(1600, 1200)
    made = await upload(api, site, picture, purpose="image", kind="jpeg")
    assert (made["purpose"], made["width"], made["height"]) == ("image", 1440, 720)
    assert (made["original_bytes"], made["bytes"] < len(picture)) == (len(picture), True)
    path = f"/v1/sites/{site}/images/{made['id']}"
    assert await api.get(path) == made
    badge = await upload(api, site, logo(300, 300), purpose="badge")
    assert badge["url"] == badge["fallback_url"]
    assert (await api.get(f"/v1/sites/{site}/images"))["items"] == [badge, made]
    first = await api.get(f"/v1/sites/{site}/images?limit=1")
    assert (await api.get(f"/v1/sites/{site}/images?limit=1&cursor={first['next']}"))["items"] == [made]
    await api.delete(path)
    await api.get(path, 404)
    await api.delete(path, 404)
    actions = [each["action"] for each in (await api.get("/v1/audit"))["items"]]
    assert actions[:3] == ["image.deleted", "image.uploaded", "image.uploaded"]


async def test_any_page_may_keep_a_picture_for_ever(api: Api, site: str) -> None:
    made = await upload(api, site, logo(300, 300))
    for url, kind in ((made["url"], "webp"), (made["fallback_url"], "png")):
        answer = await load(api, url)
        content = await answer.read()
        assert answer.headers["Content-Type"] == f"image/{kind}"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert url.endswith(f"/{sha256(content).hexdigest()}.{kind}")
        assert opened(content).size == (192, 192)
        again = await load(api, url, 304, **{"If-None-Match": answer.headers["ETag"]})
        assert await again.read() == b""
        head = await api.with_token(None).call("HEAD", local(url), 200)
        assert head.headers["Content-Length"] == str(len(content))
    assert made["bytes"] == len(await (await load(api, made["url"])).read())


async def test_the_same_picture_again_is_the_same_image(api: Api, site: str) -> None:
    made = await upload(api, site, logo(300, 300))
    assert await upload(api, site, logo(300, 300), 200) == made
    other = await upload(api, await api.new_site(), logo(300, 300))
    assert (other["url"], other["id"] == made["id"]) == (made["url"], False)


async def test_the_same_picture_from_many_at_once_is_one_image(api: Api, site: str) -> None:
    path = f"/v1/sites/{site}/images?purpose=icon"
    headers = {"Content-Type": "image/png", "Authorization": f"Bearer {api.token}"}
    asked = [api.client.post(path, data=logo(64, 64), headers=headers) for _ in range(4)]
    answers = await asyncio.gather(*asked)
    assert sorted(each.status for each in answers) == [200, 200, 200, 201]
    assert len({(await each.json())["id"] for each in answers}) == 1


async def test_a_file_goes_when_no_site_has_it_any_more(api: Api, site: str, context: Context) -> None:
    other = await api.new_site()
    mine, theirs = [await upload(api, each, logo(300, 300)) for each in (site, other)]
    await load(api, mine["url"])
    on_disk = context.settings.data_dir / local(mine["url"]).replace("/i/", "images/")
    assert on_disk.exists()
    await api.delete(f"/v1/sites/{site}/images/{mine['id']}")
    await load(api, mine["url"])
    await api.delete(f"/v1/sites/{other}/images/{theirs['id']}")
    assert not on_disk.exists()
    await api.get(local(mine["url"]), 404)


async def test_another_machine_takes_the_picture_from_the_database(
    api: Api, site: str, context: Context, tmp_path: Path
) -> None:
    made = await upload(api, site, logo(300, 300))
    name = Path(made["url"]).name
    elsewhere = Shelf(tmp_path / "elsewhere", context.database)
    content = await elsewhere.get(name)
    assert (tmp_path / "elsewhere" / name).read_bytes() == content
    # What is on its disk already is read from there, unless it was cut off.
    assert await Shelf(tmp_path / "elsewhere", context.database).get(name) == content
    (tmp_path / "elsewhere" / name).write_bytes(content[:10])
    assert await Shelf(tmp_path / "elsewhere", context.database).get(name) == content
    await api.delete(f"/v1/sites/{site}/images/{made['id']}")
    (tmp_path / "elsewhere" / "another.file").write_text("is not ours")
    await elsewhere.tidy()
    assert [each.name for each in (tmp_path / "elsewhere").iterdir()] == ["another.file"]


async def test_a_disk_that_takes_nothing_costs_only_time(
    api: Api, site: str, context: Context, tmp_path: Path
) -> None:
    made = await upload(api, site, logo(300, 300))
    (tmp_path / "a file").write_text("where the directory should be")
    shelf = Shelf(tmp_path / "a file" / "images", context.database)
    assert opened(await shelf.get(Path(made["url"]).name)).size == (192, 192)
    await shelf.tidy()


async def test_little_is_kept_in_memory(api: Api, site: str, context: Context, tmp_path: Path) -> None:
    names = [Path((await upload(api, site, logo(300, side)))["url"]).name for side in (300, 200)]
    shelf = Shelf(tmp_path / "images", context.database, most_in_memory=1)
    contents = [await shelf.get(each) for each in (*names, *names)]
    assert contents[:2] == contents[2:]


@pytest.mark.parametrize(
    ("picture", "kind", "status", "says"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "svg+xml", 415, "image/png"),
        (b"<html>", "png", 400, "no picture in PNG"),
        (b"", "png", 400, "no picture in PNG"),
        (photograph(300, 200)[:2000], "jpeg", 400, "broken"),
        (bomb(60_000, 60_000), "png", 400, "40 million"),
        (bytes(10_000_001), "png", 413, "10 MB"),
    ],
    ids=["svg", "html", "nothing", "half", "bomb", "large"],
)
async def test_what_is_no_picture_is_refused_with_a_reason(
    api: Api, site: str, picture: bytes, kind: str, status: int, says: str
) -> None:
    assert says in (await upload(api, site, picture, status, kind=kind))["detail"]
    assert (await api.get(f"/v1/sites/{site}/images"))["items"] == []


async def test_what_a_picture_is_called_does_not_matter(api: Api, site: str) -> None:
    assert (await upload(api, site, moving(200, 200), kind="png"))["width"] == 192


async def test_a_purpose_is_needed_and_is_one_of_three(api: Api, site: str) -> None:
    await upload(api, site, logo(64, 64), 400, purpose="poster")
    await api.post(f"/v1/sites/{site}/images", status=400, data=b"", headers={"Content-Type": "image/png"})


async def test_a_site_has_so_many_pictures_and_no_more(
    api: Api, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MOST", 1)
    await upload(api, site, logo(64, 64))
    await upload(api, site, logo(64, 64), 200)
    await upload(api, site, logo(64, 32), 409)


async def test_who_may_only_look_neither_uploads_nor_deletes(api: Api, site: str) -> None:
    made = await upload(api, site, logo(64, 64))
    reader = api.with_token(await api.new_token(site, "read"))
    await upload(reader, site, logo(64, 64), 403)
    await reader.delete(f"/v1/sites/{site}/images/{made['id']}", 403)
    assert (await reader.get(f"/v1/sites/{site}/images"))["items"] == [made]
    other = await api.new_site()
    await api.get(f"/v1/sites/{other}/images/{made['id']}", 404)
    await reader.get(f"/v1/sites/{other}/images", 404)
    await api.delete(f"/v1/sites/{other}/images/{made['id']}", 404)


@pytest.mark.parametrize(
    "name",
    ["x.webp", "a" * 64, "a" * 64 + ".svg", "A" * 64 + ".png", "..%2Fmaster.key", "a" * 63 + "%00.png"],
)
async def test_only_what_is_a_picture_is_ever_looked_for(api: Api, name: str) -> None:
    await api.get(f"/i/{name}", 404)
    await api.get(f"/i/{'0' * 64}.png", 404)
