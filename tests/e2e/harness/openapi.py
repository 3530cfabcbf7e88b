# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document of the hub, as it is built, as a check of answers. Hub.new_session() has
every answer checked, and the request of every answer that is a success."""
import functools
import json
import re
import subprocess
import urllib.parse

import jsonschema

from .paths import program

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
JSON = "application/json"


def lookup(document, ref):
    """What a local reference ("#/components/...") points to; KeyError if it points nowhere."""
    assert ref.startswith("#/"), ref
    return functools.reduce(lambda node, name: node[name], ref[2:].split("/"), document)


def resolved(document):
    """The document with what its references point to in their place: validators that have nothing
    to look up are fast, and the same with every version of jsonschema. No schema may hold itself."""
    done = {}

    def walk(node):
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" not in node:
            return {name: walk(value) for name, value in node.items()}
        assert set(node) <= {"$ref", "description"}, f"lost beside a reference: {node}"
        if node["$ref"] not in done:
            done[node["$ref"]] = walk(lookup(document, node["$ref"]))
        return done[node["$ref"]]
    return walk(document)


class Schema:
    def __init__(self, schema):
        self.validator = jsonschema.Draft202012Validator(schema)
        self.is_integer = schema.get("type") == "integer"

    def check(self, value, what):
        error = jsonschema.exceptions.best_match(self.validator.iter_errors(value))
        assert error is None, f"{what}: {error.json_path}: {error.message}"

    def check_text(self, text, what):
        """Of a header or a part of a path."""
        self.check(int(text) if self.is_integer and text.isdigit() else text, what)


class Response:
    def __init__(self, response):
        self.bodies = {media: Schema(body["schema"])
                       for media, body in response.get("content", {}).items()}
        self.headers = {name: (header.get("required", False), Schema(header["schema"]))
                        for name, header in response.get("headers", {}).items()}
        self.may_be_empty = not self.bodies or response.get("x-may-be-empty", False)

    def check(self, answer):
        for name, (required, schema) in self.headers.items():
            assert name in answer.headers or not required, f"without {name}"
            if name in answer.headers:
                schema.check_text(answer.headers[name], name)
        media = media_type(answer.headers)
        if media is None:
            assert not answer.content, f"a body without a type: {answer.content[:200]}"
            assert self.may_be_empty, "empty"
            return
        assert media in self.bodies, f"of type {media}"
        if media == "text/plain":
            self.bodies[media].check(answer.text, "body")
            return
        assert media == JSON, f"nobody checks {media}"
        self.bodies[media].check(json_of(answer), "body")


class Operation:
    def __init__(self, path, method, item, operation):
        self.path = path
        self.method = method.upper()
        self.id = operation["operationId"]
        self.pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))
        self.responses = {int(status): Response(r) for status, r in operation["responses"].items()}
        self.bodies = {media: Schema(body["schema"]) for media, body in
                       operation.get("requestBody", {}).get("content", {}).items()}
        parameters = item.get("parameters", []) + operation.get("parameters", [])
        self.parts = {p["name"]: Schema(p["schema"]) for p in parameters if p["in"] == "path"}
        self.successes = {status for status in self.responses if status < 300}

    def fits(self, path):
        """The variable parts if it does: 1 to 128 bytes each."""
        match = self.pattern.fullmatch(path)
        if match is None or any(len(part.encode()) > 128 for part in match.groups()):
            return None
        return match.groupdict()

    def check_request(self, request, path):
        for name, part in self.fits(path).items():
            self.parts[name].check_text(part, f"{name} in the path")
        if JSON in self.bodies and isinstance(request.body, (bytes, str)):
            try:
                body = json.loads(request.body)
            except ValueError:
                return   # a form, or a resource file with comments
            self.bodies[JSON].check(body, "the request, which was accepted")

    def __str__(self):
        return f"{self.method} {self.path}"


class Document:
    def __init__(self, document):
        self.document = document
        whole = resolved(document)
        self.error = Schema(whole["components"]["schemas"]["Error"])
        self.operations = [Operation(path, method, item, item[method])
                           for path, item in whole["paths"].items()
                           for method in METHODS if method in item]
        # as OpenAPI has it: what is concrete comes before what is not
        self.operations.sort(key=lambda op: op.path.count("{"))
        self.seen = set()   # (operation, status) of every answer that was checked

    def find(self, method, path):
        """The operation or None, and the methods that the path has."""
        here = [op for op in self.operations if op.fits(path) is not None]
        return next((op for op in here if op.method == method), None), {op.method for op in here}

    def check(self, answer, issuer_path=""):
        """AssertionError if the answer (of requests) is not as the document says."""
        method = answer.request.method
        path = urllib.parse.unquote(urllib.parse.urlsplit(answer.request.url).path)
        if path.startswith("/.well-known/"):
            path = path.removesuffix(issuer_path)
        elif path.startswith(issuer_path + "/"):
            path = path.removeprefix(issuer_path)
        operation, methods = self.find(method, path)
        try:
            if not self._is_outside(operation, methods, answer):
                operation.responses[answer.status_code].check(answer)
                if answer.status_code < 300:
                    operation.check_request(answer.request, path)
                self.seen.add((operation.id, answer.status_code))
        except AssertionError as e:
            raise AssertionError(f"{method} {path}: {answer.status_code} is not as "
                                 f"the OpenAPI document says: {e}") from None

    # What is not in the document by design (it says so in its "info"): the name, the statuses,
    # which answers to whom, and whether they come with an error. A 405 says what there is
    # instead (RFC 9110 section 15.5.6).
    OUTSIDE = (
        ("no such path", {404}, lambda op, methods, a: not methods, True),
        ("no such method", {405}, lambda op, methods, a: op is None and methods and
         sorted(a.headers.get("Allow", "").split(", ")) == sorted(methods), True),
        ("not read, or not handled", {400, 408, 413, 417, 501, 503},
         lambda op, methods, a: a.headers.get("Connection") == "close", True),
    )

    def _is_outside(self, operation, methods, answer):
        for _, statuses, applies, has_error in self.OUTSIDE:
            if answer.status_code in statuses and applies(operation, methods, answer):
                if has_error:
                    self._check_error(answer)
                return True
        assert operation is not None, "no such operation"
        assert answer.status_code in operation.responses, f"not a status of {operation}"
        return False

    def _check_error(self, answer):
        assert media_type(answer.headers) == JSON, f"of type {media_type(answer.headers)}"
        if answer.request.method != "HEAD":
            self.error.check(json_of(answer), "body")


def json_of(answer):
    try:
        return answer.json()
    except ValueError:   # of requests' own, and so among what tests of failing connections expect
        raise AssertionError("not JSON") from None


def media_type(headers):
    value = headers.get("Content-Type")
    return value.split(";")[0].strip().lower() if value else None


DOCUMENT = Document(json.loads(subprocess.run([program("hub/ssfhub-describe"), "openapi"], check=True,
                                               capture_output=True).stdout))
