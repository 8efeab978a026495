"""The API's own description: OpenAPI of the HTTP door and AsyncAPI of the live one, made from the types on the wire."""
