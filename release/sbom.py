"""The parts list of an installed regard (CycloneDX, JSON): dist/sbom.json, or the file that is named.

The same packages give the same file, byte for byte: its serial number is made from them, its time is SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from dependencies import ROOT, Dependency, needs_of, runtime
from packageurl import PackageURL


def main() -> int:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist" / "sbom.json"
    found = runtime()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document(found), encoding="utf-8")
    print(f"{len(found)} packages: {path.name}")
    return 0


def document(found: list[Dependency]) -> str:
    """The parts list as JSON."""
    package = importlib.metadata.distribution("regard")
    known = {one.name: one for one in found}
    own = Dependency("regard", package.version, "Apache-2.0", tuple(sorted({n.name for n in needs_of(package, ())})))
    root, parts = component(own, ComponentType.APPLICATION), {one.name: component(one) for one in found}
    moment = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    bom = Bom(metadata=BomMetaData(component=root, timestamp=moment, tools=[]), components=parts.values())
    bom.register_dependency(root, [parts[name] for name in own.needs])
    for name, part in parts.items():
        bom.register_dependency(part, [parts[need] for need in known[name].needs if need in parts])
    facts = "\n".join(f"{one.name}=={one.version} {one.licence}" for one in (own, *found))
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, facts)
    return json.dumps(json.loads(JsonV1Dot6(bom).output_as_string()), indent=2, sort_keys=True) + "\n"


def component(one: Dependency, kind: ComponentType = ComponentType.LIBRARY) -> Component:
    """A package as CycloneDX describes it."""
    url = PackageURL("pypi", name=one.name, version=one.version)
    return Component(
        name=one.name,
        version=one.version,
        type=kind,
        purl=url,
        bom_ref=url.to_string(),
        scope=ComponentScope.OPTIONAL if one.only_with else ComponentScope.REQUIRED,
        licenses=[LicenseFactory().make_from_string(one.licence)],
        properties=[Property(name="regard:only-with", value=one.only_with)] if one.only_with else [],
    )


if __name__ == "__main__":
    sys.exit(main())
