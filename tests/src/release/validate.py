"""Prints the documents of YAML files as JSON; with --valid, what their schemas refuse in them."""

import json
import sys

import yaml


def lost(given, kept, path=""):
    """Where `kept`, what a model made of `given`, lacks something of it."""
    if isinstance(given, dict):
        for key, value in given.items():
            if not isinstance(kept, dict) or key not in kept:
                yield f"{path}.{key}: no such field"
            else:
                yield from lost(value, kept[key], f"{path}.{key}")
    elif isinstance(given, list):
        for number, value in enumerate(given):
            yield from lost(value, kept[number], f"{path}[{number}]")


def by_operator(document):
    """The models are made of the operator's own CustomResourceDefinitions."""
    from cloudcoil.models.prometheus_operator import v1

    model = getattr(v1, document["kind"]).model_validate(document)
    yield from lost(document, model.model_dump(by_alias=True, mode="json"))


def by_kubernetes(document):
    import kubernetes_validate

    try:
        kubernetes_validate.validate(document, "1.37", strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{list(error.path)}: {error.message}"


def errors(document):
    ours = document["apiVersion"].startswith("monitoring.coreos.com/")
    try:
        yield from by_operator(document) if ours else by_kubernetes(document)
    except ValueError as error:  # pydantic's are
        yield str(error)


def main(how, *paths):
    answers = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            documents = list(yaml.safe_load_all(file))
        found = []
        if how == "--valid":
            for document in documents:
                found += [f"{document['kind']}: {error}" for error in errors(document)]
        answers.append({"documents": documents, "errors": found})
    json.dump(answers, sys.stdout)


main(*sys.argv[1:])
