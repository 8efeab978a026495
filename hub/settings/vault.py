"""Keys and secrets of the settings, read from the environment or from files; nothing here quotes one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from hub.access import Access, AccessSettings, JwtKey, OpaqueKey, Secret, SourceSecrets
from hub.domain.catalogue import SourceSettings
from hub.faults import SettingsInvalid
from hub.settings.document import HubFile, JwtTable, KeyTable
from hub.settings.problems import Problems

# A secret, a PEM or an address; whatever is larger was named by mistake.
_SECRET_BYTES_MAX = 64 * 1024

# Tables whose secrets not every command uses.
Keeper = Literal["jwt", "source", "hook"]
EVERY_KEEPER: Final[frozenset[Keeper]] = frozenset(get_args(Keeper))
# What makes tokens needs the keys alone; what asks the stores needs none.
KEYS_ONLY: Final[frozenset[Keeper]] = frozenset({"jwt"})
NO_KEEPER: Final[frozenset[Keeper]] = frozenset()


class Vault:
    """Reads what the settings name: variables of the environment, files relative to the file's folder.

    What stands in a table that is not needed is not looked for: whoever lists hooks has no till's key.
    """

    def __init__(
        self, environ: Mapping[str, str], folder: Path, problems: Problems, needed: frozenset[Keeper] = EVERY_KEEPER
    ) -> None:
        self._environ = environ
        self.folder = folder
        self._problems = problems
        self._unneeded = EVERY_KEEPER.difference(needed)

    def needs(self, path: str) -> bool:
        """Whether what the table of this path keeps secret is needed."""
        return path.partition("[")[0] not in self._unneeded

    def variable(self, name: str, path: str, missing: str = "") -> Secret | None:
        """The secret in a variable; None, and a problem that ends with `missing`, when it is not set or empty."""
        if not self.needs(path):
            return None
        text = self._environ.get(name, "").strip()
        if not text:
            self._problems.add(path, f"the environment variable {name} is not set{missing}")
            return None
        return Secret(text)

    def file(self, name: Path, path: str) -> Secret | None:
        """The secret in a file, without the line end; None, and a problem, when there is none."""
        if not self.needs(path):
            return None
        try:
            with (self.folder / name).open("rb") as stream:
                content = stream.read(_SECRET_BYTES_MAX + 1)
            text = content.decode("utf-8").strip()
        except OSError as error:
            self._problems.add(path, f"{self.folder / name} cannot be read: {error.strerror}")
            return None
        except UnicodeDecodeError:
            text = ""
        if not text or len(content) > _SECRET_BYTES_MAX:
            self._problems.add(path, f"{self.folder / name} is empty, too large or no text")
            return None
        return Secret(text)


def access_settings(file: HubFile, vault: Vault, problems: Problems) -> AccessSettings:
    """Every key of the file; one that is not fit for use is a problem and left out."""
    jwt_keys = [_jwt_key(table, f"jwt[{place}]", vault, problems) for place, table in enumerate(file.jwt)]
    opaque_keys = [_opaque_key(table) for table in file.key]
    usable = tuple(key for key in jwt_keys if key is not None)
    for place, key in enumerate(jwt_keys):
        if key is not None:
            _try(AccessSettings(jwt_keys=(key,)), f"jwt[{place}]", problems)
    for place, opaque in enumerate(opaque_keys):
        _try(AccessSettings(opaque_keys=(opaque,)), f"key[{place}]", problems)
    together = AccessSettings(usable, tuple(opaque_keys))
    if not len(problems):
        _try(together, "key" if file.key else "jwt", problems)
    return together


def source_secrets(sources: tuple[SourceSettings, ...], vault: Vault, problems: Problems) -> tuple[SourceSecrets, ...]:
    """What the hub shares with the third parties among the sources."""
    found = []
    for place, source in enumerate(sources):
        path, id = f"source[{place}]", source.id
        shared = _shared(source.secret_env, source.secret_file, f"{path}.secret", id, vault, problems)
        token = _shared(source.token_env, source.token_file, f"{path}.token", id, vault, problems)
        if shared is not None or token is not None:
            secrets = tuple(map(Secret, shared.reveal().split())) if shared is not None else ()
            found.append(SourceSecrets(source.id, secrets, token))
    return tuple(found)


def _shared(env: str | None, file: str | None, path: str, id: str, vault: Vault, problems: Problems) -> Secret | None:
    word = path.rpartition(".")[2]
    if env is not None and file is not None:
        problems.add(f"{path}_file", f"give {word}_env or {word}_file, not both")
        return None
    if env is not None:
        # A reload reads the environment that the hub was started with, whatever was set since.
        missing = f", of which source {id} has its {word}; set it and start the hub anew, or use {word}_file"
        return vault.variable(env, f"{path}_env", missing)
    return None if file is None else vault.file(Path(file), f"{path}_file")


def _try(settings: AccessSettings, path: str, problems: Problems) -> None:
    """What a key has to be is known to the access alone; one that is wrong already says nothing new."""
    if problems.inside(path):
        return
    try:
        Access(settings)
    except SettingsInvalid as error:
        problems.add(path, str(error))


def _jwt_key(table: JwtTable, path: str, vault: Vault, problems: Problems) -> JwtKey | None:
    mistake = _jwt_mistake(table)
    if mistake:
        problems.add(path, mistake)
        return None
    key = JwtKey(kid=table.kid, algorithm=table.algorithm)
    if table.public_key_file is not None:
        public = vault.file(table.public_key_file, f"{path}.public_key_file")
        if public is None:
            return None
        key = msgspec.structs.replace(key, public_key=public.reveal())
    if table.secret_env is None and table.secret_file is None:
        return key
    secret = (
        vault.variable(table.secret_env, f"{path}.secret_env")
        if table.secret_env is not None
        else vault.file(table.secret_file or Path(), f"{path}.secret_file")
    )
    return None if secret is None else msgspec.structs.replace(key, secret=secret)


def _jwt_mistake(table: JwtTable) -> str | None:
    secrets = [name for name in (table.secret_env, table.secret_file) if name is not None]
    if len(secrets) > 1:
        return "give secret_env or secret_file, not both"
    if table.algorithm == "HS256" and (not secrets or table.public_key_file is not None):
        return "HS256 takes secret_env or secret_file, and no public_key_file"
    if table.algorithm == "EdDSA" and table.public_key_file is None:
        return "EdDSA takes public_key_file"
    return None


def _opaque_key(table: KeyTable) -> OpaqueKey:
    return OpaqueKey(
        id=table.id,
        hash=table.hash,
        sub=table.sub,
        source=table.source,
        scope=table.scope,
        pools=table.pools,
        locations=table.locations,
    )
