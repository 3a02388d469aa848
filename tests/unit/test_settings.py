import base64
import dataclasses
import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.errors import CannotStart
from gateway.setting_values import HostPort
from gateway.settings import PREFIX, Settings, load_settings
from gateway.webpush import PushHosts

DOCUMENTED = Path(__file__).parents[2] / "docs" / "settings.md"
KEY = bytes(range(32))


def problems(environ: dict[str, str], config: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(CannotStart) as caught:
        load_settings(environ, config)
    return caught.value.problems


def test_without_any_setting_everything_has_a_working_default() -> None:
    settings = load_settings({"PATH": "/bin", "OTHER_PORT": "x"})
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.public_url == "http://127.0.0.1:8080"
    assert settings.database_url == f"sqlite:///{Path('data').absolute()}/gateway.db"
    assert settings.senders >= 1
    assert settings.admin_token is None
    assert settings.master_key is None
    assert settings.metrics_port is None


def test_the_environment_sets_every_setting(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("certificates")
    settings = load_settings(
        {
            "GATEWAY_HOST": "0.0.0.0",
            "GATEWAY_PORT": "80",
            "GATEWAY_PUBLIC_URL": "https://push.example.com/",
            "GATEWAY_DATA_DIR": str(tmp_path),
            "GATEWAY_DATABASE_URL": "postgresql://me:secret@db/gateway",
            "GATEWAY_ADMIN_TOKEN": "wpg_admin-of-the-tests",
            "GATEWAY_MASTER_KEY": base64.urlsafe_b64encode(KEY).decode(),
            "GATEWAY_SENDERS": "0",
            "GATEWAY_PUSH_HOSTS": "push.test:8443, LOCALHOST,[::1]:444",
            "GATEWAY_PUSH_CA_FILE": str(ca_file),
            "GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8,fd00::/8",
            "GATEWAY_COUNTRY_HEADER": "CF-IPCountry",
            "GATEWAY_OUTBOUND_PRIVATE": "hooks.internal",
            "GATEWAY_METRICS_PORT": "9100",
            "GATEWAY_LOG_FORMAT": "json",
        }
    )
    assert settings == Settings(
        host="0.0.0.0",
        port=80,
        public_url="https://push.example.com",
        data_dir=tmp_path,
        database_url="postgresql://me:secret@db/gateway",
        admin_token="wpg_admin-of-the-tests",
        master_key=KEY,
        senders=0,
        push_hosts=PushHosts(frozenset({("push.test", 8443), ("localhost", 443), ("::1", 444)})),
        push_ca_file=ca_file,
        trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("fd00::/8")),
        country_header="CF-IPCountry",
        outbound_private=(HostPort("hooks.internal", None),),
        metrics_port=9100,
        log_format="json",
    )


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text('port = 81\nhost = "::1"\npush_hosts = ["a.test", "b.test:444"]\n')
    settings = load_settings({"GATEWAY_PORT": "82", "GATEWAY_HOST": ""}, config)
    assert (settings.port, settings.host, settings.public_url) == (82, "::1", "http://[::1]:82")
    assert settings.push_hosts == PushHosts(frozenset({("a.test", 443), ("b.test", 444)}))


@pytest.mark.parametrize(("host", "url"), [("0.0.0.0", "http://127.0.0.1:8080"), ("::", "http://[::1]:8080")])
def test_listening_everywhere_gives_a_public_url_that_a_browser_can_open(host: str, url: str) -> None:
    assert load_settings({"GATEWAY_HOST": host}).public_url == url


def test_an_unknown_setting_is_an_error_that_guesses_what_was_meant() -> None:
    assert problems({"GATEWAY_PROT": "1", "GATEWAY_BANANA": "1"}) == (
        "GATEWAY_PROT is not a setting; did you mean GATEWAY_PORT?",
        "GATEWAY_BANANA is not a setting.",
    )


def test_an_unknown_name_in_the_file_is_an_error(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text("ports = 81\n[section]\nx = 1\n")
    assert problems({}, config) == (
        f"section in {config} must be a text, a number or a list of texts.",
        f"ports in {config} is not a setting; did you mean GATEWAY_PORT?",
    )


def test_all_problems_are_listed_at_once() -> None:
    found = problems(
        {"GATEWAY_PORT": "0", "GATEWAY_SENDERS": "many", "GATEWAY_X": "1", "GATEWAY_HOST": "a b"}
    )
    assert len(found) == 4


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "tcp://10.0.0.1:80"),
        ("PORT", "65536"),
        ("PORT", "٨٠"),
        ("SENDERS", "-1"),
        ("PUBLIC_URL", "push.example.com"),
        ("PUBLIC_URL", "ftp://push.example.com"),
        ("PUBLIC_URL", "https://me:pass@push.example.com"),
        ("PUBLIC_URL", "https://push.example.com/?a=b"),
        ("PUBLIC_URL", "https://push.example.com:0"),
        ("DATABASE_URL", "mysql://db/gateway"),
        ("DATABASE_URL", "postgresql://db"),
        ("DATABASE_URL", "sqlite://relative.db"),
        ("MASTER_KEY", "c2hvcnQ"),
        ("MASTER_KEY", "not base64!"),
        ("PUSH_HOSTS", "https://push.test"),
        ("PUSH_HOSTS", "me@push.test"),
        ("PUSH_HOSTS", "push.test:"),
        ("PUSH_HOSTS", "push.test:70000"),
        ("PUSH_HOSTS", "push.test:0"),
        ("PUSH_HOSTS", "*.push.test"),
        ("PUSH_HOSTS", "127.1"),
        ("ADMIN_TOKEN", "wpg_short-token"),
        ("ADMIN_TOKEN", "x" * 257),
        ("ADMIN_TOKEN", "wpg_süßes-oder-saures"),
        ("PUSH_CA_FILE", "/nowhere/ca.pem"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "proxy.internal"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_a_sentence_that_names_the_setting(
    variable: str, value: str
) -> None:
    (sentence,) = problems({PREFIX + variable: value})
    assert sentence.startswith(f"{PREFIX}{variable} ")
    assert sentence.endswith(".")


def test_a_secret_may_be_read_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("wpg_from_a_secret_file\n")
    config = tmp_path / "gateway.toml"
    config.write_text(f'admin_token_file = "{secret}"\n')
    assert load_settings({"GATEWAY_ADMIN_TOKEN_FILE": str(secret)}).admin_token == "wpg_from_a_secret_file"
    assert load_settings({}, config).admin_token == "wpg_from_a_secret_file"
    assert (
        load_settings({"GATEWAY_ADMIN_TOKEN": "wpg_of_environment"}, config).admin_token
        == "wpg_of_environment"
    )


def test_a_secret_file_that_cannot_be_read_is_a_loud_error() -> None:
    (sentence,) = problems({"GATEWAY_ADMIN_TOKEN_FILE": "/nowhere/token"})
    assert sentence.startswith("GATEWAY_ADMIN_TOKEN_FILE names a file that cannot be read")


def test_a_secret_given_twice_is_an_error(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("wpg_one-of-the-two")
    (sentence,) = problems(
        {"GATEWAY_ADMIN_TOKEN": "wpg_another-token", "GATEWAY_ADMIN_TOKEN_FILE": str(secret)}
    )
    assert sentence == "GATEWAY_ADMIN_TOKEN_FILE and GATEWAY_ADMIN_TOKEN are both set: keep one."


def test_a_settings_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("port = ")
    assert "cannot be read" in problems({}, broken)[0]
    assert "cannot be read" in problems({}, tmp_path / "missing.toml")[0]


def test_no_secret_is_shown_by_repr_or_by_a_problem() -> None:
    text = base64.b64encode(KEY).decode()
    settings = load_settings(
        {
            "GATEWAY_ADMIN_TOKEN": "wpg_hush-hush-hush",
            "GATEWAY_MASTER_KEY": text,
            "GATEWAY_DATABASE_URL": "postgresql://me:hush@db/gateway",
        }
    )
    assert "hush" not in repr(settings)
    assert repr(KEY) not in repr(settings)
    found = problems(
        {"GATEWAY_DATABASE_URL": "hush", "GATEWAY_MASTER_KEY": "hush", "GATEWAY_ADMIN_TOKEN": "hu sh"}
    )
    assert "hush" not in " ".join(found)
    assert "hu sh" not in " ".join(found)


def test_the_documentation_has_the_settings_of_the_code_word_for_word() -> None:
    documented = re.findall(r"^\| `GATEWAY_\w+` \|.*\|$", DOCUMENTED.read_text(), re.MULTILINE)
    assert documented == [
        f"| `{PREFIX}{each.name.upper()}` | {each.metadata['shown']} | {each.metadata['doc']} |"
        for each in dataclasses.fields(Settings)
    ]


def test_the_documentation_names_every_secret_that_may_come_from_a_file() -> None:
    section = DOCUMENTED.read_text().split("## Secrets from files")[1].split("##")[0]
    for each in dataclasses.fields(Settings):
        assert (f"`{PREFIX}{each.name.upper()}`" in section) == (not each.repr)
