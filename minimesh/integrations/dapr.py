"""dapr.yaml: the applications of a multi-app run file, without their sidecars."""

from collections.abc import Mapping
from pathlib import Path

from minimesh.integrations.draft import Draft, Entry, Value
from minimesh.integrations.environment import environment
from minimesh.integrations.listening import PORT, listening
from minimesh.integrations.naming import fit, renamed
from minimesh.integrations.reading import items, mapping, number, read_yaml, text, texts
from minimesh.integrations.variables import plain
from minimesh.spec.files import is_folder
from minimesh.spec.paths import target
from minimesh.spec.text_error import TextError

FILES = ("dapr.yaml", "dapr.yml")

_LOST = (
    "no sidecar is started: call $ORDERS_URL/path instead of localhost:3500/v1.0/invoke/orders/method/path",
    "who calls whom is not in the file: name the callees of a service in `calls`",
)
_COMPONENTS = ("resourcesPath", "resourcesPaths", "componentsPath", "configFilePath")
_PROTOCOLS = {"grpc": "grpc", "h2c": "h2"}
_ENCRYPTED = ("grpcs", "https")


def dapr(file: Path) -> Draft:
    """What a multi-app run file says. Raises MalformedError and OSError."""
    document = read_yaml(file)
    common = mapping(document.get("common"))
    apps = [mapping(app) for app in items(document.get("apps")) if isinstance(app, dict)]
    named = {_name(app): app for app in apps}
    names = fit(named)
    entries: list[Entry] = []
    left_out: dict[str, str] = {}
    for name, app in named.items():
        if any(texts(app.get("command"))[:1]):
            entries.append(_entry(name, names[name], app, common, file.parent))
        else:
            left_out[names[name]] = "it has no `command`: only its sidecar would run"
    lost = list(_LOST) if entries else []
    if any(said.get(key) for said in (common, *apps) for key in _COMPONENTS):
        lost.append("components (state, pub/sub, bindings, secrets) and configurations are not carried over")
    return Draft(file.name, tuple(entries), left_out, tuple(lost))


def _name(app: Mapping[str, object]) -> str:
    return text(app.get("appID")) or Path(text(app.get("appDirPath"))).name or "app"


def _entry(name: str, final: str, app: Mapping[str, object], common: Mapping[str, object], folder: Path) -> Entry:
    lost = list(renamed(name, final))
    env = {key: plain(value) for key, value in (_env(common.get("env"), lost) | _env(app.get("env"), lost)).items()}
    words = tuple(texts(app.get("command")))
    port = number(app.get("appPort"))
    port = None if port is None or not 1 <= port <= 65535 else port
    takes = "PORT" in env or listening(" ".join(words)) == PORT
    if port:
        env["APP_PORT"] = "${self.port}"
    env.pop("PORT", None)
    spoken = text(app.get("appProtocol"))
    if spoken in _ENCRYPTED:
        lost.append(f"appProtocol `{spoken}`: the mesh calls programs without TLS")
    return Entry(
        final,
        run=tuple(map(plain, words)) if isinstance(app.get("command"), list) else words[0],
        cwd=_folder(app, folder, lost),
        env=env,
        port=None if takes else port,
        listens=bool(port) or takes,
        protocol=_PROTOCOLS.get(spoken, ""),
        ready=_ready(app) if port and spoken != "grpc" else {},
        lost=tuple(lost),
    )


def _env(written: object, lost: list[str]) -> dict[str, str]:
    """Values are kept as they are: dapr replaces nothing in them."""
    return {key: text(value) for key, value in mapping(written).items() if environment({key: ""}, lost.append)}


def _folder(app: Mapping[str, object], folder: Path, lost: list[str]) -> str:
    path = text(app.get("appDirPath")).removeprefix("./").rstrip("/")
    if path in ("", "."):
        return ""
    if not is_folder(folder / path):
        lost.append(f"appDirPath `{path}` is not there")
        return ""
    return plain(path)


def _ready(app: Mapping[str, object]) -> Mapping[str, Value]:
    if text(app.get("enableAppHealthCheck")) != "true":
        return {}
    path = text(app.get("appHealthCheckPath")) or "/healthz"
    try:
        return {"http": target(path if path.startswith("/") else f"/{path}")} if "$" not in path else {}
    except TextError:
        return {}
