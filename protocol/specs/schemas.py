"""Types on the wire → JSON Schema, each struct once among the components of a document."""

from inspect import cleandoc
from typing import Any

from msgspec.json import schema_components

from protocol.frames import REFERENCE


class Schemas:
    """The components of one document, as they come to be needed."""

    def __init__(self) -> None:
        self._components: dict[str, Any] = {}

    def of(self, wanted: Any) -> dict[str, Any]:
        """The schema of a type; the structs in it are referred to.

        Raises:
            ValueError: two structs have one name.
        """
        others: list[type[Any]] = []

        def either(base: type[Any]) -> dict[str, Any]:
            """One of the structs that have this base, which is none."""
            others.extend(base.__subclasses__())
            return {"anyOf": [{"$ref": REFERENCE.format(name=each.__name__)} for each in base.__subclasses__()]}

        [schema], components = schema_components((wanted,), schema_hook=either, ref_template=REFERENCE)
        for name, component in components.items():
            if self._components.setdefault(name, _clean(component)) != _clean(component):
                raise ValueError(f"two structs are called {name}")
        for other in others:
            self.of(other)
        cleaned: dict[str, Any] = _clean(schema)
        return cleaned

    def components(self) -> dict[str, Any]:
        """All of them, by name."""
        return dict(sorted(self._components.items()))


def _clean(schema: Any) -> Any:
    """The same as JSON has it, with the docstrings' indentation taken off."""
    if isinstance(schema, dict):
        return {
            key: cleandoc(value) if key == "description" and isinstance(value, str) else _clean(value)
            for key, value in schema.items()
        }
    return [_clean(each) for each in schema] if isinstance(schema, list | tuple) else schema
