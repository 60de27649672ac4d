"""The manifests for Kubernetes: valid by its schemas, and as closed as the guide says."""

import copy
import json
import re
import shlex
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from ldrps_daemon.__main__ import config_of

ROOT = Path(__file__).parents[1]
HERE = ROOT / "packaging" / "ray"
KUBERAY = json.loads((ROOT / "tests" / "support" / "raycluster.schema.json").read_text())
KUBERNETES = "1.37"
FILES = sorted(HERE.glob("*.yaml"))
DOCUMENTS = [
    pytest.param(document, id=f"{path.stem}-{document['kind']}-{document['metadata']['name']}")
    for path in FILES
    for document in yaml.safe_load_all(path.read_text())
]


def check(document):
    """Raise what a cluster would refuse of a document."""
    if document["kind"] != "RayCluster":
        return kubernetes_validate.validate(document, KUBERNETES, strict=True)
    jsonschema.validate(document, KUBERAY)
    for template in templates(document):
        named = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "pod"}}
        kubernetes_validate.validate(named | {"template": template}, KUBERNETES, strict=True)


def templates(document):
    """Pods that a document makes."""
    spec = document.get("spec", {})
    groups = [spec.get("headGroupSpec"), *spec.get("workerGroupSpecs", ()), spec]
    return [group["template"] for group in groups if group and "template" in group]


def everything():
    return [parameter.values[0] for parameter in DOCUMENTS]


def pods():
    return [template for document in everything() for template in templates(document)]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_manifest_is_valid(document):
    check(document)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_is_misspelt_is_found(document):
    spoilt = copy.deepcopy(document)
    if document["kind"] in ("Secret", "ConfigMap"):
        spoilt["dta"] = {}
    else:
        spoilt["spec"]["slector"] = {}
    with pytest.raises(jsonschema.ValidationError):
        check(spoilt)
    for at in range(len(templates(document))):
        spoilt = copy.deepcopy(document)
        templates(spoilt)[at]["spec"]["containers"][0]["imag"] = "ldrps:ray"
        with pytest.raises(jsonschema.ValidationError):
            check(spoilt)


def test_every_pod_is_closed():
    assert len(pods()) == 5
    for pod in pods():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert not any("hostPort" in port for port in container.get("ports", ()))


def test_every_node_asks_for_the_token():
    (settings,) = [each["data"] for each in everything() if each["kind"] == "ConfigMap"]
    assert settings["RAY_AUTH_MODE"] == "token"
    for pod in pods():
        for container in pod["spec"]["containers"]:
            assert container["envFrom"] == [{"configMapRef": {"name": "ldrps-ray"}}]
            (token,) = [each for each in container["env"] if each["name"] == "RAY_AUTH_TOKEN"]
            asked = token["valueFrom"]["secretKeyRef"]
            assert asked == {"name": "ldrps-ray", "key": "auth_token"}
    (secret,) = [each for each in everything() if each["kind"] == "Secret"]
    # One that everybody could read here would be none.
    assert secret["stringData"] == {"auth_token": ""}


def test_nobody_but_nodes_reaches_nodes():
    policies = {each["metadata"]["name"]: each["spec"] for each in everything()
                if each["kind"] == "NetworkPolicy"}  # fmt: skip
    node = {"matchLabels": {"ldrps/ray-node": "true"}}
    assert policies["ldrps-ray"]["podSelector"] == node
    assert policies["ldrps-ray"]["ingress"] == [{"from": [{"podSelector": node}]}]
    assert set(policies["ldrps-ray"]["policyTypes"]) == {"Ingress", "Egress"}
    assert all(pod["metadata"]["labels"]["ldrps/ray-node"] == "true" for pod in pods())
    (allowed,) = policies["ldrps-front"]["ingress"]
    assert allowed["ports"] == [{"protocol": "TCP", "port": 7443}]
    services = [each["spec"] for each in everything() if each["kind"] == "Service"]
    assert all(service.get("type", "ClusterIP") == "ClusterIP" for service in services)


def test_dashboards_are_off():
    text = (HERE / "cluster.yaml").read_text()
    assert text.count("--head") == text.count("--include-dashboard=false") == 1
    head = yaml.safe_load((HERE / "raycluster.yaml").read_text())["spec"]["headGroupSpec"]
    assert head["rayStartParams"]["include-dashboard"] == "false"


def test_what_is_named_is_there():
    made = {(each["kind"], each["metadata"]["name"]) for each in everything()}
    said = "\n".join(path.read_text() for path in FILES)
    made |= {("Secret", name) for name in re.findall(r"create secret \w+ ([\w-]+)", said)}
    for pod in pods():
        for volume in pod["spec"]["volumes"]:
            if "secret" in volume:
                assert ("Secret", volume["secret"]["secretName"]) in made
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                assert ("PersistentVolumeClaim", claim) in made
    heads = re.findall(r"ldrps-head-svc", said)
    assert ("Service", "ldrps-head-svc") in made
    assert len(heads) > 4
    # The operator calls the head's service so.
    assert yaml.safe_load((HERE / "raycluster.yaml").read_text())["metadata"]["name"] == "ldrps"


def test_the_daemon_takes_the_options_of_the_front():
    (front,) = [
        pod
        for pod in pods()
        if pod["metadata"]["labels"]["app.kubernetes.io/name"] == "ldrps-front"
    ]
    script = front["spec"]["containers"][0]["command"][-1]
    words = shlex.split(script.partition("exec ldrps serve ")[2].replace("\\\n", " "))
    config = config_of(words)
    assert config.pool == "ray://ldrps-head-svc:6379"
    mounts = [mount["mountPath"] for mount in front["spec"]["containers"][0]["volumeMounts"]]
    for path in (config.spool, config.tls_cert, config.tls_key):
        assert any(str(path).startswith(f"{mount}/") for mount in mounts), path


def test_ray_is_the_one_that_is_pinned():
    (pin,) = re.findall(r"^ray==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    cluster = yaml.safe_load((HERE / "raycluster.yaml").read_text())
    assert cluster["spec"]["rayVersion"] == pin


def test_ray_takes_the_options_of_the_nodes():
    scripts = pytest.importorskip("ray.scripts.scripts", reason="Ray is not installed")
    known = {option for each in scripts.start.params for option in each.opts}
    said = "\n".join(path.read_text() for path in FILES)
    commands = re.findall(r"ray start ((?:--[\w=.:-]+\s+)+)", said)
    assert len(commands) == 3
    cluster = yaml.safe_load((HERE / "raycluster.yaml").read_text())["spec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    used = {word.partition("=")[0] for command in commands for word in command.split()}
    used |= {f"--{name}" for group in groups for name in group["rayStartParams"]}
    assert used <= known


def test_the_commands_in_the_files_own_words_name_files_that_exist():
    for path in FILES:
        for word in re.findall(r"packaging/[\w./-]+", path.read_text()):
            assert (ROOT / word).exists(), word
