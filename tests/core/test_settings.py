"""Where settings come from, what is refused, and that no secret is told."""

from datetime import timedelta
from pathlib import Path

import pytest

from crmsync.errors import SettingsError
from crmsync.settings import load
from crmsync.settings.sections import sections

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in an empty folder, without any setting in the environment."""
    import os

    for name in [name for name in os.environ if name.startswith("CRMSYNC_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(**given: object) -> SettingsError:
    with pytest.raises(SettingsError) as raised:
        load({name.replace("__", "."): value for name, value in given.items()})
    assert raised.value.next_step
    return raised.value


def test_the_command_line_is_before_the_environment_and_that_before_the_file(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = nowhere / "my.toml"
    file.write_text('[web]\nport = 1\nhost = "::1"\n[log]\nlevel = "error"\n')
    monkeypatch.setenv("CRMSYNC_WEB__PORT", "2")
    monkeypatch.setenv("CRMSYNC_WEB__HOST", "localhost")

    loaded = load({"web.port": "3"}, config=file)

    web = loaded.settings.web
    assert (web.port, web.host, loaded.settings.log.level) == (3, "localhost", "error")
    origins = {one.name: one.origin for one in loaded.origins}
    assert origins["web.port"] == "command line"
    assert origins["web.host"] == "CRMSYNC_WEB__HOST"
    assert origins["log.level"] == str(file)
    assert origins["log.format"] == "default"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"[portal\n", "is not TOML: Expected ']'", id="not TOML"),
        pytest.param(b"\xff\xfe[portal]", "byte 0 is not UTF-8", id="not UTF-8"),
        pytest.param(b"portal = 3\n", "portal: settings stand in sections", id="no section"),
        pytest.param(
            b"[portl]\nx = 1\n",
            "portl (my.toml:1): no such section; did you mean portal",
            id="an unknown section",
        ),
        pytest.param(b"[portl]\n", "portl (my.toml:1): no such section", id="an unknown empty section"),
        pytest.param(
            b"[guard]\nmax_demotion = 1\n",
            "guard.max_demotion (my.toml:2): no such setting; did you mean guard.max_demotions",
            id="a misspelt setting",
        ),
        pytest.param(
            b"[web]\nurl = 1\n",
            "web.url (my.toml:2): no such setting; did you mean store.url",
            id="elsewhere",
        ),
        pytest.param(
            b"[web]\nnope = 1\n",
            "web.nope (my.toml:2): no such setting; web has host, port, token",
            id="none near",
        ),
        pytest.param(
            b"[zzz]\n",
            "zzz (my.toml:1): no such section; there are portal, store",
            id="a section like no other",
        ),
        pytest.param(
            b"[web]\nport = 99999\n", "web.port = '99999' (my.toml:2): should be less", id="out of range"
        ),
    ],
)
def test_a_settings_file_that_cannot_be_used_says_why(nowhere: Path, content: bytes, said: str) -> None:
    (nowhere / "my.toml").write_bytes(content)

    with pytest.raises(SettingsError) as raised:
        load(config=Path("my.toml"))

    assert said in raised.value.message
    assert raised.value.next_step


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("PORTAL__ACESS_TOKEN", "did you mean CRMSYNC_PORTAL__ACCESS_TOKEN"),
        ("PORTAL_ACCESS_TOKEN", "did you mean CRMSYNC_PORTAL__ACCESS_TOKEN"),
        ("PORTL__ACCESS_TOKEN", "did you mean CRMSYNC_PORTAL__ACCESS_TOKEN"),
        ("WRITES__MAX_DEMOTIONS", "did you mean CRMSYNC_GUARD__MAX_DEMOTIONS"),
        ("PORTAL__NOPE", "portal has base_url, access_token"),
        ("DEFINITION__NOPE", "definition has path, require_signatures"),
        ("STORE", "store has url"),
        ("NOPE", "one is written CRMSYNC_SECTION__SETTING, and the sections are portal, store"),
    ],
)
def test_a_variable_that_is_no_setting_is_told_with_what_may_have_been_meant(
    monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    monkeypatch.setenv(f"CRMSYNC_{name}", "1")

    assert f"CRMSYNC_{name}: no such setting; {hint}" in refused().message


def test_the_page_listens_on_this_machine_alone_unless_it_is_told_otherwise() -> None:
    web = load().settings.web

    assert (web.host, web.token.get_secret_value()) == ("127.0.0.1", "")


def test_a_folder_is_no_settings_file(nowhere: Path) -> None:
    with pytest.raises(SettingsError, match="is a folder"):
        load(config=nowhere)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("schedule__cycle_every", "0s", "must be longer than nothing"),
        ("schedule__cycle_every", "60", "write a duration like 60s"),
        ("schedule__tick_at", "25:00", "write a time of day like 03:00"),
        ("portal__timeout_s", "inf", "should be a finite number"),
        ("portal__base_url", "api.hubapi.com", "write an address like https://api.hubapi.com"),
        ("portal__base_url", "http://[x", "write an address like"),
        ("portal__base_url", "https://me:secret@hub.example", "write the address alone"),
        ("writes__mode", "maybe", "should be 'apply', 'plan' or 'observe'"),
    ],
)
def test_a_value_that_cannot_be_used_is_told_with_what_can(name: str, value: str, said: str) -> None:
    error = refused(**{name: value})

    assert said in error.message
    assert error.message.startswith(name.replace("__", "."))
    assert "(command line)" in error.message
    assert "secret" not in error.message


@pytest.mark.parametrize("token", ["pat-eu1-abc\ndef", "pat eu1", "tökén"])
def test_a_token_with_characters_that_no_token_has_is_refused_and_not_repeated(token: str) -> None:
    error = refused(portal__access_token=token)

    assert "holds characters that no token has" in error.message
    assert token not in str(error)


def test_space_around_a_token_is_none_of_it() -> None:
    loaded = load({"portal.access_token": " pat-eu1-abc\n"})

    assert loaded.settings.portal.access_token.get_secret_value() == "pat-eu1-abc"


def test_every_problem_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRMSYNC_PORTL__X", "1")
    monkeypatch.setenv("CRMSYNC_PORTAL", "garbage")

    said = refused(guard__max="1").message

    assert len(said.splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot be read (No such file or directory)"), (b"\n", "is empty")]
)
def test_a_file_without_a_secret_says_so(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, said: str
) -> None:
    if content is not None:
        (nowhere / "token").write_bytes(content)
    monkeypatch.setenv("CRMSYNC_PORTAL__ACCESS_TOKEN_FILE", "token")

    assert said in refused().message


def test_a_secret_is_given_once(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (nowhere / "token").write_text("pat-eu1-of-the-file")
    monkeypatch.setenv("CRMSYNC_PORTAL__ACCESS_TOKEN_FILE", "token")
    assert load().settings.portal.access_token.get_secret_value() == "pat-eu1-of-the-file"
    monkeypatch.setenv("CRMSYNC_PORTAL__ACCESS_TOKEN", "pat-eu1-other")

    assert "are both set" in refused().message


def test_no_secret_is_shown() -> None:
    url = "postgresql+psycopg://crmsync:hunter2@db/crmsync"

    shown = {one.name: one.value for one in load({"store.url": url, "web.token": "hunter3"}).origins}

    assert shown["store.url"] == "postgresql+psycopg://crmsync:***@db/crmsync"
    assert shown["web.token"] == "***"


def test_a_duration_is_shown_as_it_is_written() -> None:
    loaded = load({"writes.respect_manual_for": "14d"})

    assert loaded.settings.writes.respect_manual_for == timedelta(days=14)
    assert {one.name: one.value for one in loaded.origins}["writes.respect_manual_for"] == "2w"


def test_the_commented_settings_file_names_every_setting_but_the_secrets_and_is_what_init_writes() -> None:
    file = (ROOT / "config" / "crmsync.toml").read_text(encoding="utf-8")

    for section, keys in sections().items():
        commented = file.partition(f"[{section}]")[2].partition("\n[")[0]
        for key in keys:
            assert f"# {key} " in commented, f"{section}.{key}"
    assert file == (ROOT / "crmsync" / "starter" / "crmsync.toml").read_text(encoding="utf-8")
    assert (ROOT / "config" / "definition.yaml").read_bytes() == (
        ROOT / "crmsync" / "starter" / "definition.yaml"
    ).read_bytes()
