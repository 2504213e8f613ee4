"""Takes the steps of a release's Containerfile without a container engine: `make container-steps`, as root.

This computer's own system, a Debian, and its Python stand for the base image. What the steps write lies in
memory, in mounts that only this process sees, and is gone at the end. A step that fails raises
`CalledProcessError`; one that isn't known here, `SystemExit`.
"""

import json
import subprocess
import sys
from pathlib import Path

MEMORY = Path("/mnt")
IMAGE_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin"


class Image:
    """The file system that the steps of one stage make, and what they have set."""

    def __init__(self, name: str) -> None:
        base = MEMORY / name
        self.root = base / "root"
        for folder in ("root", "written", "work"):
            (base / folder).mkdir(parents=True)
        layers = f"lowerdir=/,upperdir={base / 'written'},workdir={base / 'work'}"
        run("mount", "-t", "overlay", "-o", layers, "overlay", self.root)
        self.folder, self.user, self.variables = "/", "0:0", {"PATH": IMAGE_PATH}
        self.entrypoint: list[str] = []
        python = self.root / "usr/local/bin/python"
        python.unlink(missing_ok=True)
        python.symlink_to("/usr/bin/python3")

    def run(self, *words: str) -> None:
        """Run a program as the steps so far have set."""
        settings = [f"{name}={value}" for name, value in self.variables.items()]
        enter = ["chroot", f"--userspec={self.user}", "--groups=", self.root]
        run(*enter, "env", f"--chdir={self.folder}", *settings, *words)

    def at(self, path: str) -> Path:
        """Return a path of the image as this computer sees it."""
        return self.root / Path(self.folder, path).relative_to("/")


def take(name: str, text: str, images: dict[str, Image], release: Path) -> None:
    """Take one step; `images` are the stages so far by name, the last one is being made."""
    if name == "FROM":
        stage = text.partition(" AS ")[2] or "last"
        images[stage] = Image(stage)
        return
    image = list(images.values())[-1]
    match name:
        case "WORKDIR":
            image.folder = text
            image.at(".").mkdir(exist_ok=True)
        case "COPY":
            copy(text, image, images, release)
        case "RUN":
            image.run("sh", "-c", text)
        case "ENV":
            key, _, value = text.partition("=")
            image.variables[key] = value.replace(f"${key}", image.variables.get(key, ""))
        case "USER":
            image.user = text
        case "ENTRYPOINT":
            image.entrypoint = json.loads(text)
        case "VOLUME" | "CMD":
            pass
        case _:
            raise SystemExit(f"{name} isn't known here.")


def copy(text: str, image: Image, images: dict[str, Image], release: Path) -> None:
    """Copy a folder of an earlier stage, or files of the release."""
    *sources, target = text.split()
    if sources[0].startswith("--from="):
        stage, source = sources
        run("cp", "-aT", images[stage.removeprefix("--from=")].at(source), image.at(target))
        return
    for source in sources:
        run("cp", *release.glob(source), image.at(target))


def run(*words: str | Path) -> None:
    """Run a program to its end; raise CalledProcessError if it fails."""
    subprocess.run([str(word) for word in words], check=True)


def main(release: Path) -> None:
    """Make the image of a release, and use the program in it as the image's user."""
    run("mount", "-t", "tmpfs", "tmpfs", MEMORY)
    images: dict[str, Image] = {}
    for line in (release / "Containerfile").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            print(line, flush=True)
            name, _, text = line.partition(" ")
            take(name, text, images, release)
    image = images["last"]
    image.run(*image.entrypoint, "version", "--json")
    image.run(*image.entrypoint, "chat", "--new", "--key", "me.nsec")
    image.run("stat", "--format=%n %a %u:%g", ".", "me.nsec")
    print("The steps can be taken, and the program runs as the image's user.")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
