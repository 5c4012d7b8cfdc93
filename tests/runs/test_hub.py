"""A model by its name. Nothing here touches the network: the hub is a function that fills a folder."""

from __future__ import annotations

import fnmatch
import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file
from torch import zeros

from regard.errors import RunError
from regard.runs.checkpoints.hub import resolve

MARIAN = ["config.json", "generation_config.json", "source.spm", "target.spm", "vocab.json", "tokenizer_config.json"]
CODE = ["modeling.py", "handler.py", "training_args.bin", "optimizer.pt", "rust_model.ot", "onnx/model.safetensors"]


class Hub:
    """A hub with one model, ``owner/name``, and its cache in ``folder``."""

    def __init__(self, folder: Path, files: list[str], cached: tuple[str, ...] = (), fails: Exception | None = None):
        self.folder, self.files, self.fails = folder, files, fails
        self.calls: list[bool] = []
        for name in cached:
            self._put(name)

    def _put(self, name: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".safetensors"):
            save_file({"w": zeros(1)}, self.folder / name)
        else:
            (self.folder / name).write_text('{"weight_map": {"w": "model-00001-of-00001.safetensors"}}')

    def __call__(
        self, repo_id: str, *, allow_patterns: list[str], ignore_patterns: list[str], local_files_only: bool
    ) -> str:
        assert repo_id in {"owner/name", "name"}
        self.calls.append(local_files_only)
        if not local_files_only:
            if self.fails:
                raise self.fails
            for name in self.files:
                allowed = any(fnmatch.fnmatch(name, pattern) for pattern in allow_patterns)
                if allowed and not any(fnmatch.fnmatch(name, pattern) for pattern in ignore_patterns):
                    self._put(name)
        if not self.folder.is_dir():
            raise FileNotFoundError("nothing cached")
        return str(self.folder)

    @property
    def fetched(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the hub keeps its files; the working folder is another, and empty."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "cache"


def test_a_folder_is_itself_and_nobody_is_asked(cache: Path) -> None:
    hub = Hub(cache, [])
    Path("owner/name").mkdir(parents=True)
    for name in ("owner/name", Path("owner/name"), Path.cwd()):
        assert resolve(name, hub) == Path(name)
    assert hub.calls == []


@pytest.mark.parametrize(
    "name", ["./x", "../x", "/no/where", "a/b/c", "~/x", ".x", "a\\b", "", "a/", "a..b", "n" * 9000, "a\0"]
)
def test_a_path_that_is_not_there_is_no_name_of_a_model(name: str, cache: Path) -> None:
    hub = Hub(cache, MARIAN)
    with pytest.raises(RunError, match="got no folder there; expected a folder, or a public model's name such as"):
        resolve(name, hub)
    assert hub.calls == []


def test_a_file_is_no_folder(cache: Path) -> None:
    Path("model.safetensors").touch()
    with pytest.raises(RunError, match=r"got a file; .*; name the folder that holds it"):
        resolve("model.safetensors", Hub(cache, []))


@pytest.mark.parametrize("name", ["owner/name", "name", Path("owner/name")])
def test_only_the_model_and_its_tokenizer_are_fetched(name: str | Path, cache: Path) -> None:
    hub = Hub(cache, [*MARIAN, *CODE, "model.safetensors", "pytorch_model.bin", "consolidated.safetensors"])
    assert resolve(name, hub) == cache
    assert hub.fetched == sorted([*MARIAN, "model.safetensors"])


def test_pickled_weights_are_fetched_where_there_are_no_others(cache: Path) -> None:
    hub = Hub(cache, [*MARIAN, *CODE, "pytorch_model.bin"])
    assert resolve("owner/name", hub) == cache
    assert hub.fetched == sorted([*MARIAN, "pytorch_model.bin"])


def test_shards_are_fetched_with_their_index(cache: Path) -> None:
    shards = ["model.safetensors.index.json", "model-00001-of-00001.safetensors"]
    hub = Hub(cache, ["config.json", "pytorch_model.bin", *shards])
    assert resolve("owner/name", hub) == cache
    assert hub.fetched == sorted(["config.json", *shards])


def test_a_whole_model_in_the_cache_is_not_asked_for_again(cache: Path) -> None:
    hub = Hub(cache, MARIAN, cached=("config.json", "pytorch_model.bin"), fails=ConnectionError("no network"))
    assert resolve("owner/name", hub) == cache
    assert hub.calls == [True]


@pytest.mark.parametrize(
    "cached", [("config.json",), ("model.safetensors",), ("config.json", "model.safetensors.index.json")]
)
def test_half_a_model_in_the_cache_is_completed(cached: tuple[str, ...], cache: Path) -> None:
    files = [*MARIAN, "model.safetensors.index.json", "model-00001-of-00001.safetensors"]
    hub = Hub(cache, files, cached=cached)
    assert resolve("owner/name", hub) == cache
    assert set(hub.fetched) >= (set(MARIAN) if "model.safetensors" in cached else set(files))


@pytest.mark.parametrize("files", [["config.json", "tf_model.h5"], ["model.safetensors"]])
def test_a_public_model_without_what_is_needed_is_refused(files: list[str], cache: Path) -> None:
    cache.mkdir()
    with pytest.raises(
        RunError, match=r"or without weights in safetensors .*; expected a model with both; choose another"
    ):
        resolve("owner/name", Hub(cache, files))


def test_no_network_is_said_with_the_way_out(cache: Path) -> None:
    hub = Hub(cache, MARIAN, fails=ConnectionError("[Errno -3] no name\nmore"))
    with pytest.raises(
        RunError, match=r"no answer from the hub \(ConnectionError: \[Errno -3\] no name\).*HF_HUB_OFFLINE"
    ):
        resolve("owner/name", hub)
    assert hub.calls == [True, False]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("GatedRepoError", "a model that its owner gives on request; .*; accept its terms on the hub"),
        ("RepositoryNotFoundError", r"no folder, and no public model of that name; .*; check the spelling \(a private"),
        ("HFValidationError", "no public model of that name"),
    ],
)
def test_what_the_hub_refuses_is_said_in_our_words(kind: str, message: str, cache: Path) -> None:
    errors = pytest.importorskip("huggingface_hub.errors")
    made = getattr(errors, kind)
    error = made.__new__(made)
    with pytest.raises(RunError, match=message):
        resolve("owner/name", Hub(cache, MARIAN, fails=error))


def test_without_the_package_the_way_to_it_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        RunError, match=r"no package that fetches models; .* check the path, or pip install 'regard\[hub\]'"
    ):
        resolve("owner/name")


def test_the_real_client_offline_answers_from_its_cache_alone(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    with pytest.raises(RunError, match="no whole copy in the cache, and no answer from"):
        resolve("owner/name")
    snapshot = cache / "models--owner--name" / "snapshots" / ("0" * 40)
    Hub(snapshot, [], cached=("config.json", "model.safetensors"))
    (cache / "models--owner--name" / "refs").mkdir()
    (cache / "models--owner--name" / "refs" / "main").write_text("0" * 40)
    assert resolve("owner/name") == snapshot
