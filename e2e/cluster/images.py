#!/usr/bin/env python3
"""Makes the cluster's two base images without a registry or a daemon.

images.py FOLDER PAUSE ROOT writes FOLDER/pause.tar and FOLDER/busybox.tar: docker archives, as
`docker save` writes them and `ctr images import` reads them. ROOT holds Debian's busybox and libc6.
The same input gives the same bytes.
"""

import hashlib
import io
import json
import platform
import subprocess
import sys
import tarfile
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
LIBRARIES = ("ld-linux-*.so.*", "libc.so.6", "libresolv.so.2")


class Archive:
    """A tar archive in memory whose entries have no owner and no time."""

    def __init__(self):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.GNU_FORMAT)

    def file(self, name, content, mode=0o644):
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), mode
        self.tar.addfile(entry, io.BytesIO(content))

    def folder(self, name, mode=0o755):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        self.tar.addfile(entry)

    def link(self, name, target):
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self.tar.addfile(entry)

    def content(self):
        self.tar.close()
        return self.buffer.getvalue()


def image(name, layer, settings):
    """Returns the docker archive of an image of one layer."""
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps({
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": [f"{digest}.tar"]}]
    archive = Archive()
    archive.file(config_name, config)
    archive.file(f"{digest}.tar", layer)
    archive.file("manifest.json", json.dumps(manifest).encode())
    return archive.content()


def pause(program):
    layer = Archive()
    layer.file("pause", program.read_bytes(), 0o755)
    settings = {"Entrypoint": ["/pause"], "User": "65535:65535"}
    return image("localhost/pause:1", layer.content(), settings)


def busybox(root):
    """Busybox with the C library it wants: the static one runs its applets by /proc/self/exe, so
    that the kernel calls every command `exe`."""
    program = root / "bin/busybox"
    layer = Archive()
    for folder in ("bin", "dev", "etc", "lib", "proc", "root", "sys", "var"):
        layer.folder(folder)
    layer.folder("tmp", 0o1777)
    layer.file("bin/busybox", program.read_bytes(), 0o755)
    for applet in subprocess.check_output([program, "--list"], text=True).split():
        layer.link(f"bin/{applet}", "busybox")
    for library in LIBRARIES:
        # The loader is in /lib64 on some machines, in /lib on others, the rest beside it.
        found = next(path for path in sorted(root.glob(f"lib*/**/{library}")) if path.is_file())
        layer.file(f"lib/{found.name}", found.read_bytes(), 0o755)
    layer.link("lib64", "lib")
    layer.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    layer.file("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    # Secret by name only: what tests read when they misbehave, whoever they are.
    layer.file("etc/shadow", b"root:*:19000:0:99999:7:::\n")
    settings = {"Env": ["PATH=/bin"], "Cmd": ["sh"]}
    return image("localhost/busybox:1", layer.content(), settings)


def main(folder, pause_program, root):
    folder = Path(folder)
    folder.joinpath("pause.tar").write_bytes(pause(Path(pause_program)))
    folder.joinpath("busybox.tar").write_bytes(busybox(Path(root)))


if __name__ == "__main__":
    main(*sys.argv[1:])
