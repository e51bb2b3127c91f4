"""JSON Schema, the part of it that docs/report.schema.json uses. A keyword that is not known here is an error."""
import re

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int, "number": (int, float)}
KEYWORDS = {"$schema", "$defs", "$ref", "title", "description", "type", "enum", "pattern", "minimum", "required", "properties",
            "additionalProperties", "items"}


def is_type(value, name):
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name])


def problems(value, schema, root, place="report"):
    """What of a value the schema does not allow, as texts."""
    unknown = set(schema) - KEYWORDS
    if unknown:
        raise ValueError(f"{place}: the schema has keywords that json_schema.py does not know: {unknown}")
    if "$ref" in schema:
        target = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return problems(value, target, root, place)
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(is_type(value, name) for name in types):
        return [f"{place}: {value!r} is not {' or '.join(types)}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{place}: {value!r} is none of {schema['enum']}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{place}: {value!r} does not match {schema['pattern']}")
    if "minimum" in schema and value < schema["minimum"]:
        found.append(f"{place}: {value} is below {schema['minimum']}")
    if isinstance(value, dict):
        found += [f"{place}: {key} is missing" for key in schema.get("required", []) if key not in value]
        for key, member in value.items():
            below = schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))
            if below is False:
                found.append(f"{place}: {key} is not in the schema")
            else:
                found += problems(member, below, root, f"{place}.{key}")
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            found += problems(item, schema["items"], root, f"{place}[{i}]")
    return found
