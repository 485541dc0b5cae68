"""What was given to an import, as a list of files: folders, globs, zip members, and what a path says of its content."""

from __future__ import annotations

import glob
import gzip
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, cast
from urllib.parse import unquote

from backtester.errors import DataError, did_you_mean
from backtester.market.store import MANIFEST, is_dataset

Paths = str | Path | Sequence[str | Path]

_TEXT = (".csv", ".txt", ".tsv")
_PARQUET = (".parquet", ".pq")
_PACKED = (".gz", ".zip")
# Bytes of text that are parsed at a time. Smaller costs time per block, larger costs memory per thread.
BLOCK = 8 << 20
# What a file begins with that is no table, and what to do about it.
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook; save the sheet as CSV"),
    (b"%PDF", "is a PDF; a CSV or Parquet file is needed"),
    (b"BZh", "is packed with bzip2; unpack it, or pack it with gzip"),
    (b"\xfd7zXZ", "is packed with xz; unpack it, or pack it with gzip"),
    (b"\x28\xb5\x2f\xfd", "is packed with zstandard; unpack it, or pack it with gzip"),
    (b"7z\xbc\xaf", "is a 7z archive; unpack it, or pack it as zip"),
    (b"Rar!", "is a rar archive; unpack it, or pack it as zip"),
    (b"\xff\xfe", "is text in UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "is text in UTF-16; save it as UTF-8"),
    (b"ARROW1", "is an Arrow (Feather) file; write it as Parquet"),
    (b"\x89HDF", "is an HDF5 file; write it as Parquet"),
)


class Source(NamedTuple):
    """One file, or one member of a zip."""

    name: str  # for messages and the manifest: below the folder that was given, without that folder
    path: Path
    member: str  # '' unless it lies in a zip
    fixed: dict[str, str]  # what hive partitions of its path say, as symbol=AAPL
    size: int  # bytes on disk
    found: bool = False  # in a folder, a zip or by a pattern, not given by name

    @property
    def stem(self) -> str:
        """The file's own name without folders and the suffixes of formats: `data/BRK.B.csv.gz` is ``BRK.B``."""
        name = PurePosixPath(self.member or self.path.name).name
        while True:
            suffix = PurePosixPath(name).suffix
            if suffix.casefold() not in (*_TEXT, *_PARQUET, *_PACKED):
                return name
            name = name[: -len(suffix)]


def expand(given: Paths | None, what: str = "bars") -> tuple[list[Source], list[str]]:
    """All files that paths, folders and globs stand for, and notes about what was left alone.

    A folder stands for all tables below it, a zip for all tables in it. Names that begin with a dot or an underscore
    are skipped. A file that is reached twice is read once.

    Raises:
        DataError: There is nothing at a path, a glob or a folder matches nothing, or a zip cannot be read.
    """
    notes: list[str] = []
    paths: dict[Path, tuple[str, bool]] = {}
    listed = [] if given is None else [given] if isinstance(given, (str, Path)) else list(given)
    for entry in listed:
        for path, name in _matches(Path(entry), what, notes):
            if path.resolve() in paths:
                notes.append(f"{name} was given more than once; it is read once")
            else:
                paths[path.resolve()] = name, path != Path(entry)
    sources: list[Source] = []
    for path, (name, found) in paths.items():
        if _is_zip(path):
            sources += _members(path, name, notes)
        else:
            sources.append(Source(name, path, "", partitions(path.parent.parts), path.stat().st_size, found))
    return sources, notes


def _matches(path: Path, what: str, notes: list[str]) -> list[tuple[Path, str]]:
    if path.is_dir():
        return _below(path, what, notes)
    if path.exists() or not glob.has_magic(str(path)):
        if not path.exists():
            near = did_you_mean(path.name, [other.name for other in path.parent.glob("*")])
            raise DataError(f"cannot read {path}: No such file.{near}")
        return [(path, path.name)]
    fixed = Path(*_until_magic(path.parts))
    found = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
    out: list[tuple[Path, str]] = []
    for match in found:
        name = match.relative_to(fixed).as_posix()
        if match.is_file():
            out.append((match, name))
        elif "**" not in path.parts:  # which reaches what is in its folders by itself
            out += [(inner, f"{name}/{rest}") for inner, rest in _tables_below(match, notes)]
    if not out:
        raise DataError(f"{path}: no file matches; check the pattern, or give the folder.")
    return out


def _until_magic(parts: tuple[str, ...]) -> list[str]:
    out: list[str] = []
    for part in parts:
        if glob.has_magic(part):
            break
        out.append(part)
    return out


def _below(folder: Path, what: str, notes: list[str]) -> list[tuple[Path, str]]:
    if is_dataset(folder):
        raise DataError(f"{folder} is a dataset already; load it, or give the files that it was made from.")
    out = _tables_below(folder, notes)
    if not out:
        raise DataError(
            f"{folder} holds no file of {what}: CSV ({', '.join(_TEXT)}, also .gz), .zip or .parquet are looked for."
        )
    return out


def _tables_below(folder: Path, notes: list[str]) -> list[tuple[Path, str]]:
    out: list[tuple[Path, str]] = []
    others: list[str] = []
    datasets = {found.parent for found in folder.rglob(MANIFEST) if is_dataset(found.parent)}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or datasets.intersection(path.parents):
            continue
        if not _is_hidden(name) and path.suffix.casefold() in (*_TEXT, *_PARQUET, *_PACKED):
            out.append((path, name))
        else:
            others.append(name)
    notes += [f"the dataset {found.relative_to(folder).as_posix()} left alone" for found in sorted(datasets)]
    notes += _left_alone(others, folder.name)
    return out


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)


def _left_alone(others: Sequence[str], where: str) -> list[str]:
    """Notes about files that were skipped; those that file systems and writers of Parquet leave about are no news."""
    hidden = [name for name in others if _is_hidden(name)]
    tables = [name for name in hidden if name.endswith((*_TEXT, *_PARQUET, *_PACKED)) and "._" not in f"/{name}"]
    plain = [name for name in others if name not in set(hidden)]
    out = []
    for names, why in ((plain, ""), (tables, " (names with _ or . in front)")):
        if names:
            many = f"{len(names):,} other files" if len(names) > 1 else "another file"
            shown = ", ".join(names[:3]) + (", ..." if names[3:] else "")
            out.append(f"{many} in {where} left alone{why}: {shown}")
    return out


def partitions(parts: Sequence[str]) -> dict[str, str]:
    """What folders named ``key=value`` say."""
    pairs = (part.split("=", 1) for part in parts if "=" in part)
    return {key: unquote(value) for key, value in pairs if key}


def _is_zip(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}.") from error


def _members(path: Path, name: str, notes: list[str]) -> list[Source]:
    try:
        members = _archive(path).infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{name} is cut off or damaged ({error}); download it again.") from error
    if any(member.filename == "[Content_Types].xml" for member in members):
        raise DataError(f"{name} is an Excel workbook; save the sheet as CSV.")
    out = []
    others: list[str] = []
    for member in sorted(members, key=lambda one: one.filename):
        suffix = PurePosixPath(member.filename).suffix.casefold()
        if member.is_dir():
            continue
        if _is_hidden(member.filename) or suffix not in (*_TEXT, *_PARQUET, *_PACKED):
            others.append(member.filename)
            continue
        if suffix == ".zip":
            raise DataError(f"{name} holds another zip, {member.filename}; unpack {name} first and give the folder.")
        if member.flag_bits & 1:
            raise DataError(f"{name}: {member.filename} is locked with a password; unpack it first.")
        fixed = {**partitions(path.parent.parts), **partitions(PurePosixPath(member.filename).parts[:-1])}
        out.append(Source(f"{name}/{member.filename}", path, member.filename, fixed, member.compress_size, True))
    if not out:
        raise DataError(f"{name} holds no {', '.join((*_TEXT, *_PARQUET))} file, packed with gzip or not.")
    notes += _left_alone(others, name)
    return out


def _archive(path: Path) -> zipfile.ZipFile:
    """An open zip. The last one stays open: its list of members is long to read, and they are read one by one."""
    stat = path.stat()
    return _open_archive(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1)
def _open_archive(path: Path, _changed: int, _size: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def close_archives() -> None:
    """Close the zip that is open."""
    _open_archive.cache_clear()


@contextmanager
def opened(source: Source) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The unpacked bytes of a source as a stream, and the stream whose position says how much of the disk was read.

    Raises:
        DataError: The file cannot be read, is cut off or damaged.
    """
    try:
        if source.member:
            with _archive(source.path).open(source.member) as member:
                packed = member.peek(2)[:2] == b"\x1f\x8b"  # type: ignore[attr-defined]
                with gzip.GzipFile(fileobj=member) if packed else nullcontext(member) as stream:
                    yield cast(IO[bytes], stream), member
            return
        with source.path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield cast(IO[bytes], unpacked), raw
            else:
                yield raw, raw
    except EOFError as error:
        raise DataError(f"{source.name} is cut off: its packed data ends too early; download it again.") from error
    except (zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise DataError(f"{source.name} is damaged and cannot be unpacked ({error}); download it again.") from error
    except OSError as error:
        raise DataError(f"cannot read {source.name}: {error.strerror or error}.") from error


def is_parquet(source: Source, start: bytes) -> bool:
    """Whether a source is to be read as Parquet: by its content, or by its name."""
    return start[:4] == b"PAR1" or PurePosixPath(source.member or source.path.name).suffix.casefold() in _PARQUET


def refuse_foreign(name: str, start: bytes) -> None:
    """Raise `DataError` about content that is no table, from the first bytes of a file."""
    if not start.strip():
        raise DataError(f"{name} is empty; a CSV with a header line or a Parquet file is needed.")
    for magic, words in _FOREIGN:
        if start.startswith(magic):
            raise DataError(f"{name} {words}.")
    if start[257:262] == b"ustar":
        raise DataError(f"{name} is a tar archive; unpack it and give the folder.")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    # Some vendors write their column names in angle brackets: <TICKER>,<DATE>.
    if text[:2] == b"<!" or (text[:1] == b"<" and b">,<" not in text.split(b"\n")[0]):
        raise DataError(
            f"{name} is a web page (HTML), not a table: it begins with {_quoted(text)}. A download that was refused or "
            "needs a login often looks like this; download the file itself."
        )
    if text[:1] in (b"{", b"["):
        raise DataError(f"{name} is JSON, it begins with {_quoted(text)}; write it as CSV or Parquet.")


def _quoted(text: bytes) -> str:
    return repr(text.split(b"\n")[0][:40].decode("utf-8", "replace"))


def text_blocks(source: Source) -> Iterator[tuple[bytes, int]]:
    """The text of a source in blocks of whole lines, and how many of its bytes on disk have been read so far.

    The byte order mark and blank lines in front are left out.
    """
    with opened(source) as (stream, raw):
        rest = stream.read(BLOCK)
        refuse_foreign(source.name, rest[:4096])
        rest = rest.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
        newline = b"\n" if b"\n" in rest or b"\r" not in rest else b"\r"
        read = len(rest)
        while True:
            more = stream.read(BLOCK)
            read += len(more)
            done = min(source.size, read if source.member else raw.tell())
            if not more:
                if rest:
                    yield rest, source.size
                return
            cut = rest.rfind(newline) + 1
            if cut:
                yield rest[:cut], done
            rest = rest[cut:] + more
