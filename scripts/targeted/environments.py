"""Makes what a target needs in a folder of its own, by the package managers that are there."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from qconvert.errors import QConvertError

#: What CPython and ONNX Runtime need of Debian, besides what these need.
_AARCH64_PACKAGES: Final = ("libpython3.11-stdlib", "python3.11-minimal", "libstdc++6", "zlib1g")
_AARCH64_WHEELS: Final = ("onnxruntime", "numpy")
_AARCH64_PLATFORMS: Final = (
    "manylinux_2_28_aarch64",
    "manylinux_2_27_aarch64",
    "manylinux2014_aarch64",
)
#: ONNX Runtime asks Linux what the processor is. qemu passes on the host's answer, at which it
#: crashes.
_AARCH64_CPUINFO: Final = """\
processor\t: {}
BogoMIPS\t: 100.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""


class UnavailableError(QConvertError):
    """What a target needs cannot be had here."""

    exit_code = 5

    def __init__(self, reason: str) -> None:
        super().__init__("QC725", reason)


def program(name: str, package: str) -> str:
    """The path of a program of the system."""
    found = shutil.which(name)
    if found is None:
        raise UnavailableError(f"{name} is missing: apt-get install {package}")
    return found


def python_with(folder: Path, *packages: str) -> str:
    """The interpreter of a virtual environment with the newest of *packages* that pip finds."""
    python = folder / "bin" / "python"
    if not python.is_file():
        _call(sys.executable, "-m", "venv", str(folder))
    _call(str(python), *_PIP, "install", "--upgrade", *packages)
    return str(python)


def node_project(folder: Path, *packages: str) -> Path:
    """A folder with the newest npm *packages*, none of whose scripts were run."""
    npm = program("npm", "npm")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private": true}\n')
    _call(npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", *packages, cwd=folder)
    return folder


def aarch64_root(folder: Path) -> Path:
    """A root of Debian's arm64 packages with Python, and ``site`` with ONNX Runtime in it."""
    root = folder / "root"
    if not (root / "site").is_dir():
        shutil.rmtree(root, ignore_errors=True)
        for package in _debian_packages(folder):
            _call(program("dpkg", "dpkg"), "--extract", str(package), str(root))
        _install_wheels(folder / "wheels", root / "site")
    (root / "proc").mkdir(exist_ok=True)
    text = "".join(_AARCH64_CPUINFO.format(i) for i in range(os.cpu_count() or 1))
    (root / "proc" / "cpuinfo").write_text(text)
    return root


_PIP: Final = ("-m", "pip", "--disable-pip-version-check", "--quiet")


def _debian_packages(folder: Path) -> Iterator[Path]:
    """Downloads of the arm64 packages that are needed; the system's own lists stay as they are."""
    lists, cache = folder / "apt" / "lists", folder / "apt" / "cache"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    (cache / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    status = folder / "apt" / "status"
    status.touch()
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "root",
        "Dir::State::Lists": lists,
        "Dir::State::Status": status,
        "Dir::Cache": cache,
    }
    apt = [program("apt-get", "apt"), "-qq"]
    apt += [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    _call(*apt, "update")
    install = ("install", "--download-only", "--no-install-recommends", "--yes")
    _call(*apt, *install, *_AARCH64_PACKAGES)
    yield from sorted((cache / "archives").glob("*.deb"))


def _install_wheels(wheels: Path, site: Path) -> None:
    options = ["--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp"]
    options += [word for each in _AARCH64_PLATFORMS for word in ("--platform", each)]
    _call(sys.executable, *_PIP, "download", "-d", str(wheels), *options, *_AARCH64_WHEELS)
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)


def _call(*command: str, cwd: Path | None = None) -> None:
    """Run a package manager; what it complains of is the reason why something is not to be had."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UnavailableError(f"{' '.join(command)}: {last_line(done.stderr)}")


def last_line(text: str) -> str:
    """The last line that says something."""
    lines: Sequence[str] = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no message"
