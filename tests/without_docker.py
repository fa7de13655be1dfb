"""Builds the image of `deployments/Dockerfile` and runs the services of `deployments/compose.yaml`, without Docker.

Where there is no Docker daemon, this is as near as one gets: the Dockerfile's own instructions are carried out in
overlays of this machine's root, and each service runs in namespaces of its own, on a read-only root, as the image's
user, without capabilities, with the volumes, secrets, commands, environments and health checks that the files name.
Not proved by it: the base images (this machine's Debian, Python 3.13 and PostgreSQL stand in), pulling, Docker's own
networks and restarts. As root, with Python 3.13 under pyenv or in $PYTHON313: `python tests/without_docker.py`.
"""

import ctypes
import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
FILES = ROOT / "deployments"
PYTHON = Path(os.environ.get("PYTHON313", "/root/.pyenv/versions/3.13.0"))
POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
CLONE_NEWNET = 0x40000000
# pyenv's Python looks for its library in root's home, where the image's user may not go.
STAND_IN = {"PATH": "/usr/local/python/bin:/usr/sbin:/usr/bin:/bin", "LD_LIBRARY_PATH": "/usr/local/python/lib"}
CSV = "username,displayname\nmmuster,Max Muster\nebeispiel,Erika Beispiel\n"


@dataclass
class Image:
    """A stage of the Dockerfile: its root, and what its instructions set."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    workdir: str = "/"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def run(*words: str | Path, **more: Any) -> str:
    done = subprocess.run([str(word) for word in words], check=False, capture_output=True, text=True, **more)
    if done.returncode:
        raise SystemExit(f"{shlex.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as pairs of keyword and rest; continued lines joined, comments dropped."""
    text = re.sub(r"\\\n\s*", " ", (FILES / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in lines]


def build(place: Path) -> Image:
    """Carries out the instructions, stage by stage; gives the last stage."""
    stages: dict[str, Image] = {}
    image = Image(place)
    for word, rest in instructions():
        if word == "FROM":
            assert rest.startswith("python:3.13-slim"), "this machine's Python 3.13 stands in for python:3.13-slim only"
            name = rest.partition(" AS ")[2] or "final"
            image = stages[name] = Image(base(place / name), dict(STAND_IN))
        elif word == "RUN":
            print(f"RUN {rest[:100]}", flush=True)
            script = f"cd {image.workdir} && {rest}"
            run("chroot", image.root, "/bin/sh", "-c", script, env={**os.environ, **image.environment})
        elif word == "COPY":
            copy(rest.split(), image, stages)
        elif word == "ENV":
            pairs = dict(pair.split("=", 1) for pair in shlex.split(rest))
            image.environment |= {
                key: value.replace("$PATH", image.environment["PATH"]) for key, value in pairs.items()
            }
        elif word in {"USER", "WORKDIR"}:
            setattr(image, word.lower(), rest)
            if word == "WORKDIR":
                (image.root / rest.strip("/")).mkdir(parents=True, exist_ok=True)
        elif word in {"ENTRYPOINT", "CMD"}:
            setattr(image, {"ENTRYPOINT": "entrypoint", "CMD": "command"}[word], json.loads(rest))
        else:
            raise SystemExit(f"the Dockerfile says {word}, which is not carried out here")
    return image


def base(place: Path) -> Path:
    """A writable root over this machine's."""
    for name in ("upper", "work", "root"):
        (place / name).mkdir(parents=True)
    where = f"lowerdir=/,upperdir={place / 'upper'},workdir={place / 'work'}"
    run("mount", "-t", "overlay", "overlay", "-o", where, place / "root")
    root = place / "root"
    run("mount", "-t", "proc", "proc", root / "proc")
    run("mount", "--rbind", "/dev", root / "dev")
    (root / "usr/local/python").mkdir(parents=True)
    run("mount", "--bind", PYTHON, root / "usr/local/python")
    return root


def copy(words: list[str], image: Image, stages: dict[str, Image]) -> None:
    source = ROOT
    if words[0].startswith("--from="):
        source = stages[words.pop(0).removeprefix("--from=")].root
    *names, target = words
    goal = Path(target) if target.startswith("/") else Path(image.workdir) / target
    for name in names:
        found, into = source / name.strip("/"), image.root / str(goal).strip("/")
        into = into / found.name if target.endswith("/") else into
        if found.is_dir():
            shutil.copytree(found, into, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(found, into)


class Services:
    """The services of the compose file, each as a process in namespaces of its own."""

    def __init__(self, image: Image, place: Path) -> None:
        self.image, self.place = image, place
        (place / "key").write_text(secrets.token_hex(32))
        (place / "key").chmod(0o400)
        run("chown", image.user, place / "key")
        names = ("POSTGRES_PASSWORD", "PREFECT_PASSWORD")
        self.dotenv = {name: secrets.token_hex(24) for name in names} | {"PREFECT_ENCRYPTION_KEY": fernet_key()}
        text = re.sub(r"\$\{(\w+)(:[-?][^}]*)?\}", lambda found: self.dotenv.get(found[1], ""), compose_text())
        self.compose: dict[str, Any] = yaml.safe_load(text)
        self.running: list[subprocess.Popen[bytes]] = []
        (place / "hosts").write_text("127.0.0.1 localhost postgres server\n")
        for volume in self.compose["volumes"]:
            (place / volume).mkdir(mode=0o700)
            run("chown", self.image.user, place / volume)

    def words(self, name: str, *command: str, entrypoint: list[str] | None = None) -> list[str]:
        """The command of a service, or another one in its container."""
        service = self.compose["services"][name]
        program = entrypoint or service.get("entrypoint", self.image.entrypoint)
        own = [] if entrypoint or "entrypoint" in service else service.get("command", self.image.command)
        wanted = list(command) or own
        uid, gid = self.image.user.split(":")
        rights = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
        if service["cap_drop"] == ["ALL"]:
            rights += ["--bounding-set=-all", "--inh-caps=-all"]
        if "no-new-privileges:true" in service["security_opt"]:
            rights.append("--no-new-privs")
        inside = f"cd {self.image.workdir} && exec {shlex.join([*map(str, program), *wanted])}"
        contained = f"exec chroot /mnt {shlex.join(rights)} sh -c {shlex.quote(inside)}"
        return ["unshare", "--mount", "sh", "-ec", f"{self.mounts(service)}\n{contained}"]

    def mounts(self, service: dict[str, Any]) -> str:
        """The container's root at /mnt: the image, its volumes, its secrets, a /tmp of its own, then read-only."""
        lines = [f"mount --rbind {self.image.root} /mnt", "mount -t tmpfs -o mode=1777 tmpfs /mnt/tmp"]
        lines.append(f"mount --bind {self.place / 'hosts'} /mnt/etc/hosts")
        for volume in service.get("volumes", []):
            source, target, *options = volume.split(":")
            found = (FILES / source).resolve() if source.startswith(".") else self.place / source
            lines.append(f"mount --bind {found} /mnt{target}")
            lines += [f"mount -o remount,bind,ro /mnt{target}"] if options == ["ro"] else []
        lines += ["mount -t tmpfs tmpfs /mnt/run", "mkdir -p /mnt/run/secrets"]
        for secret in service.get("secrets", []):
            lines += [
                f"touch /mnt/run/secrets/{secret}",
                f"mount --bind {self.place / 'key'} /mnt/run/secrets/{secret}",
            ]
        assert service["read_only"] is True
        return "\n".join([*lines, "mount -o remount,bind,ro /mnt"])

    def environment(self, name: str) -> dict[str, str]:
        given = self.compose["services"][name].get("environment", {})
        return {**self.image.environment, "HOME": "/home/rollcall", **{key: str(value) for key, value in given.items()}}

    def start(self, name: str) -> None:
        with (self.place / f"{name}.log").open("ab") as log:
            command = self.words(name)
            self.running.append(subprocess.Popen(command, env=self.environment(name), stdout=log, stderr=log))

    def run(self, name: str, *command: str, entrypoint: list[str] | None = None) -> str:
        """A command in a container of its own; fails as the command fails."""
        return run(*self.words(name, *command, entrypoint=entrypoint), env=self.environment(name))

    def healthy(self, name: str, seconds: float) -> None:
        """Waits for the service's own health check."""
        kind, *check = self.compose["services"][name]["healthcheck"]["test"]
        assert kind == "CMD"
        command, deadline = self.words(name, entrypoint=check), time.monotonic() + seconds
        while (
            done := subprocess.run(command, env=self.environment(name), capture_output=True, text=True, check=False)
        ).returncode:
            if time.monotonic() > deadline or any(process.poll() for process in self.running):
                log = (self.place / f"{name}.log").read_text()[-3000:]
                raise SystemExit(f"{name} is not healthy:\n{done.stdout}{done.stderr}{log}")
            time.sleep(1)
        print(f"{name}: healthy ({shlex.join(check)[:60]})", flush=True)


def compose_text() -> str:
    return (FILES / "compose.yaml").read_text()


def fernet_key() -> str:
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


def start_postgresql(services: Services) -> subprocess.Popen[bytes]:
    """Debian's PostgreSQL in place of the image postgres, set up by the same variables and the same SQL file."""
    service = services.compose["services"]["postgres"]
    given, data = service["environment"], services.place / "postgres"
    run("chown", "postgres", data)
    (services.place / "pw").write_text(given["POSTGRES_PASSWORD"])
    as_postgres: dict[str, Any] = {"user": "postgres", "group": "postgres", "cwd": "/"}
    (services.place / "pw").chmod(0o444)
    options = ["--auth=scram-sha-256", f"--username={given['POSTGRES_USER']}", f"--pwfile={services.place / 'pw'}"]
    run(POSTGRESQL / "initdb", "-D", data, *options, **as_postgres)
    command = [str(POSTGRESQL / "postgres"), "-D", str(data), "-c", f"unix_socket_directories={data}"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_postgres)
    environment = {**os.environ, "PGPASSWORD": given["POSTGRES_PASSWORD"]}
    psql = ["psql", "-h", "127.0.0.1", "-U", given["POSTGRES_USER"], "-v", "ON_ERROR_STOP=1", "-d", "postgres"]
    for _ in range(60):
        if not subprocess.run([*psql, "-c", "SELECT 1"], env=environment, capture_output=True, check=False).returncode:
            break
        time.sleep(0.5)
    run(*psql, "-c", f"CREATE DATABASE {given['POSTGRES_DB']}", env=environment)
    run(*psql, "-f", FILES / "compose-databases.sql", env=environment)
    return server


def prove(services: Services) -> None:
    """Starts the services in their order, imports a file by a worker, and looks at what came of it."""
    print("user:", services.run("worker", "-c", "id", entrypoint=["sh"]).strip())
    for path in ("/opt/rollcall/x", "/etc/x", "/etc/rollcall/profiles/x"):
        refused = services.run("worker", "-c", f"touch {path} 2>&1 || true", entrypoint=["sh"])
        assert "Read-only file system" in refused, refused
    print("root and profiles: read-only")
    start_postgresql(services)
    services.start("server")
    services.healthy("server", 120)
    print(services.run("deploy").strip() or "deploy: done", flush=True)
    for _ in range(services.compose["services"]["worker"]["deploy"]["replicas"]):
        services.start("worker")
    time.sleep(5)
    services.healthy("worker", 60)
    (services.place / "state" / "users.csv").write_text(CSV)
    (services.place / "state" / "users.csv").chmod(0o444)
    upload = services.run("worker", "upload", "/var/lib/rollcall/users.csv").strip()
    asked = json.dumps({"request": {"profile": "users-from-csv", "upload": upload}})
    prefect = ["prefect", "deployment", "run", "import-users/import", "--params", asked, "--watch"]
    print(services.run("worker", entrypoint=prefect).strip().splitlines()[-1])
    found = json.loads(services.run("worker", "users", "--json"))
    assert [user["login"] for user in found] == ["ebeispiel", "mmuster"], found
    print("users:", ", ".join(user["login"] for user in found))
    add = "from deployments.console.access import Role, write_person; from pathlib import Path; "
    add += "write_person(Path('/var/lib/rollcall/console-users'), 'anna', Role.ADMIN, 'a long password')"
    services.run("console", "-c", add, entrypoint=["python"])
    services.start("console")
    services.healthy("console", 60)


def main() -> None:
    if "inside" not in sys.argv:
        # Namespaces of its own: all mounts and processes are gone with it, however it ends.
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, __file__]
        sys.exit(subprocess.run([*command, "inside"], check=False).returncode)
    place = Path(tempfile.mkdtemp(prefix="rollcall-image-"))
    run("mount", "-t", "tmpfs", "tmpfs", place)
    image = build(place)
    print(f"image: user {image.user}, entrypoint {image.entrypoint}", flush=True)
    (place / "run").mkdir()
    place.chmod(0o755)
    # From here on a network of their own, as Docker would give them one; building needed the index of packages.
    ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET)
    run("ip", "link", "set", "lo", "up")
    prove(Services(image, place / "run"))


if __name__ == "__main__":
    main()
