"""The containers, read from the Dockerfile, compose.yaml and the manifests for Kubernetes."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import yaml
from tests.support.project.pages import ROOT

DEPLOY = ROOT / "deploy"
DOCKERFILE = DEPLOY / "Dockerfile"
COMPOSE = DEPLOY / "compose.yaml"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
EVERY = ["python", "/opt/hostaway-sync/every.py"]


class Container(NamedTuple):
    """The command and environment of one container."""

    name: str
    command: list[str]
    settings: dict[str, str]
    spec: dict[str, Any]


def instruction(name: str) -> list[str]:
    """Return the words of the Dockerfile's only instruction of this name, in exec form."""
    (found,) = re.findall(rf"^{name} [^\[\n]*(\[.*\])$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    words: list[str] = json.loads(found)
    return words


def environment() -> dict[str, str]:
    """Return the variables that the image sets."""
    final = DOCKERFILE.read_text(encoding="utf-8").split("\nFROM ")[-1]
    (found,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", final, re.MULTILINE)
    return dict(word.split("=", 1) for word in found.replace("\\\n", " ").split())


def compose() -> dict[str, Any]:
    """Return compose.yaml."""
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return document


def services() -> list[Container]:
    """Return the containers of compose.yaml that run our image."""
    entry = instruction("ENTRYPOINT")
    return [
        Container(name, service.get("entrypoint", entry) + service.get("command", []), service["environment"], service)
        for name, service in compose()["services"].items()
        if service["image"] == "hostaway-sync"
    ]


def resources() -> list[dict[str, Any]]:
    """Return every resource for Kubernetes."""
    return [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def pods() -> list[dict[str, Any]]:
    """Return the template of every pod."""
    specs = [resource["spec"] for resource in resources()]
    specs = [spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec for spec in specs]
    return [spec["template"]["spec"] for spec in specs if "template" in spec]


def pod_containers() -> list[Container]:
    """Return the containers of all pods."""
    entry = instruction("ENTRYPOINT")
    return [
        Container(one["name"], entry + one["args"], {pair["name"]: pair["value"] for pair in one["env"]}, one)
        for pod in pods()
        for one in pod["containers"]
    ]


def commands() -> list[list[str]]:
    """Return every command of the program that a container runs, its health checks included."""
    found = [[*instruction("ENTRYPOINT"), *instruction("CMD")], instruction("HEALTHCHECK")]
    for container in services():
        words = container.command
        if words[: len(EVERY)] == EVERY:
            float(words[len(EVERY)])
            words = words[len(EVERY) + 1 :]
        found.append(words)
    found += [container.command for container in pod_containers()]
    probes = [one.spec.get(f"{kind}Probe", {}) for one in pod_containers() for kind in ("readiness", "liveness")]
    found += [probe["exec"]["command"] for probe in probes if "exec" in probe]
    return [words for words in found if words not in (["hostaway-sync"], ["hostaway-sync", "--help"])]


def receiver_check() -> list[str]:
    """Return the command with which compose.yaml checks the receiver."""
    (test,) = (one.spec["healthcheck"]["test"] for one in services() if one.name == "receiver")
    words: list[str] = test[1:]
    return words
