"""The customer's bucket as Agora wants it: vendors, their regions, and the storageConfig."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from recording_tasks.wire.faults import suggest
from recording_tasks.wire.rules import at

SELF_BUILT = 11
PREFIX_LENGTH = 128
VENDORS: Mapping[int, str] = {
    0: "Qiniu",
    1: "Amazon S3",
    2: "Alibaba Cloud",
    3: "Tencent Cloud",
    4: "Kingsoft Cloud",
    5: "Microsoft Azure",
    6: "Google Cloud",
    7: "Huawei Cloud",
    8: "Baidu AI Cloud",
    SELF_BUILT: "self-built, S3-compatible",
}


def _numbered(names: str, first: int = 0) -> dict[int, str]:
    return dict(enumerate(names.split(), first))


REGIONS: Mapping[int, Mapping[int, str]] = {
    0: _numbered("CN_East CN_North CN_South NA AP_Southeast"),
    1: _numbered(
        "US_EAST_1 US_EAST_2 US_WEST_1 US_WEST_2 EU_WEST_1 EU_WEST_2 EU_WEST_3 EU_CENTRAL_1"
        " AP_SOUTHEAST_1 AP_SOUTHEAST_2 AP_NORTHEAST_1 AP_NORTHEAST_2 SA_EAST_1 CA_CENTRAL_1"
        " AP_SOUTH_1 CN_NORTH_1 CN_NORTHWEST_1 US_GOV_WEST_1 AF_SOUTH_1 AP_EAST_1"
        " AP_NORTHEAST_3 EU_NORTH_1 ME_SOUTH_1 US_GOV_EAST_1 AP_SOUTHEAST_3 EU_SOUTH_1"
    ),
    2: _numbered(
        "CN_Hangzhou CN_Shanghai CN_Qingdao CN_Beijing CN_Zhangjiakou CN_Huhehaote CN_Shenzhen"
        " CN_Hongkong US_West_1 US_East_1 AP_Southeast_1 AP_Southeast_2 AP_Southeast_3"
        " AP_Southeast_5 AP_Northeast_1 AP_South_1 EU_Central_1 EU_West_1 EU_East_1"
        " AP_Southeast_6 CN_Heyuan CN_Guangzhou CN_Chengdu CN_Nanjing CN_Fuzhou"
        " CN_Wulanchabu CN_Northeast_2 CN_Southeast_7"
    ),
    3: _numbered(
        "AP_Beijing_1 AP_Beijing AP_Shanghai AP_Guangzhou AP_Chengdu AP_Chongqing"
        " AP_Shenzhen_FSI AP_Shanghai_FSI AP_Beijing_FSI AP_Hongkong AP_Singapore AP_Mumbai"
        " AP_Seoul AP_Bangkok AP_Tokyo NA_Siliconvalley NA_Ashburn NA_Toronto EU_Frankfurt"
        " EU_Moscow"
    ),
    4: _numbered(
        "CN_Hangzhou CN_Shanghai CN_Qingdao CN_Beijing CN_Guangzhou CN_Hongkong JR_Beijing"
        " JR_Shanghai NA_Russia_1 NA_Singapore_1"
    ),
    5: {0: ""},
    6: {0: ""},
    7: _numbered(
        "CN_North_1 CN_North_4 CN_East_2 CN_East_3 CN_South_1 CN_Southwest_2 AP_Southeast_1"
        " AP_Southeast_2 AP_Southeast_3 AF_South_1 SA_Argentina_1 SA_Peru_1 NA_Mexico_1"
        " SA_Brazil_1 LA_South_2 SA_Chile_1"
    ),
    8: _numbered("Baoding Suzhou Guangzhou Hongkong Singapore Wuhan Shanghai", first=1),
    SELF_BUILT: {0: ""},
}
_STS_VENDORS = frozenset({1, 2, 3})
_TAG_VENDORS = frozenset({1, 2})
_S3 = 1
_PLAIN_PART = re.compile(r"[A-Za-z0-9]+", re.ASCII)
_ENDPOINT = re.compile(r"(https?://)?[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._/-]*)?", re.ASCII)

# Only where the name leaves no doubt; Tencent's mainland regions begin with AP, and
# Hong Kong or South America lie in none of the four areas that Agora fences.
_AREAS = {"US": "NA", "CA": "NA", "NA": "NA", "EU": "EU", "AP": "AP", "CN": "CN"}
_DOUBTFUL_VENDORS = frozenset({3, 4, 8})
_DOUBTFUL_NAMES = frozenset({"CN_Hongkong", "NA_Mexico_1"})


def _filled(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().strip():
        raise ValueError("is empty")
    return secret


def _known_vendor(vendor: int) -> int:
    if vendor not in VENDORS:
        known = ", ".join(f"{number} {name}" for number, name in VENDORS.items())
        raise ValueError(f"{vendor} is not a vendor that Agora documents: {known}")
    return vendor


def _plain_parts(parts: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_PLAIN_PART.fullmatch(part) for part in parts):
        raise ValueError("every part must be letters and digits only")
    if parts and len("/".join(parts)) + 1 > PREFIX_LENGTH:
        raise ValueError(f"the parts with their slashes are longer than {PREFIX_LENGTH}")
    return parts


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _host_like(endpoint: str) -> str:
    if not _ENDPOINT.fullmatch(endpoint):
        raise ValueError("must be the host of the store")
    return endpoint


Key = Annotated[SecretStr, AfterValidator(_filled)]


class StorageConfig(BaseModel):
    """Where Agora puts the files; the keys are in no repr and leave only by `to_wire`.

    Attributes:
        region: The vendor's region as Agora numbers it; unknown numbers pass with a warning.
        access_key: Azure wants the storage account's name here.
        sts_expiration: Unix seconds; Agora wants the token to live four hours at least.
        file_name_prefix: The folders, joined with slashes; letters and digits only.
        endpoint: The host of a self-built store (vendor 11).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    vendor: Annotated[int, AfterValidator(_known_vendor)]
    region: Annotated[int, Field(ge=0)]
    bucket: Annotated[str, Field(min_length=1)]
    access_key: Key
    secret_key: Key
    sts_token: Key | None = None
    sts_expiration: Annotated[int, Field(ge=1, lt=2**64)] | None = None
    file_name_prefix: Annotated[
        tuple[str, ...], BeforeValidator(_as_tuple), AfterValidator(_plain_parts)
    ] = ()
    endpoint: Annotated[str, AfterValidator(_host_like)] | None = None
    sse: str | None = None
    tag: str | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if faults := _between(self.model_dump(exclude={"access_key", "secret_key"})):
            raise ValueError("; ".join(faults))
        return self

    def warnings(self) -> tuple[str, ...]:
        """Say what looks odd and may yet be right."""
        if self.region in REGIONS[self.vendor]:
            return ()
        vendor = VENDORS[self.vendor]
        return (f"region: {self.region} is not in the list that we know for {vendor}",)

    def to_wire(self) -> dict[str, Any]:
        """Spell it as Agora's storageConfig, keys included: only for the body of a request."""
        wire: dict[str, Any] = {
            "vendor": self.vendor,
            "region": self.region,
            "bucket": self.bucket,
            "accessKey": self.access_key.get_secret_value(),
            "secretKey": self.secret_key.get_secret_value(),
        }
        if self.sts_token is not None:
            wire["stsToken"] = self.sts_token.get_secret_value()
            wire["stsExpiration"] = self.sts_expiration
        if self.file_name_prefix:
            wire["fileNamePrefix"] = list(self.file_name_prefix)
        extras = {"endpoint": self.endpoint, "sse": self.sse, "tag": self.tag}
        if given := {key: value for key, value in extras.items() if value}:
            wire["extensionParams"] = given
        return wire

    def secret_values(self) -> tuple[str, ...]:
        """List what must be blotted out wherever Agora's answer may repeat it."""
        keys = (self.access_key, self.secret_key, self.sts_token)
        return tuple(key.get_secret_value() for key in keys if key is not None)


def _between(fields: Mapping[str, Any]) -> list[str]:
    """List the faults between the fields; works on raw input of any shape, too."""
    vendor, faults = fields.get("vendor"), []
    if not isinstance(vendor, int):
        return []
    if vendor == SELF_BUILT and not fields.get("endpoint"):
        faults.append("endpoint: is required for vendor 11")
    if vendor != SELF_BUILT and fields.get("endpoint"):
        faults.append("endpoint: is only for vendor 11")
    if fields.get("sts_token") and vendor not in _STS_VENDORS:
        faults.append("sts_token: is only for vendors 1, 2 and 3")
    if bool(fields.get("sts_token")) != bool(fields.get("sts_expiration")):
        faults.append("sts_expiration: belongs together with sts_token")
    if fields.get("sse") and vendor != _S3:
        faults.append("sse: is only for vendor 1")
    if fields.get("sse") and fields.get("sse") not in ("kms", "aes256"):
        faults.append("sse: must be 'kms' or 'aes256'")
    if fields.get("tag") and vendor not in _TAG_VENDORS:
        faults.append("tag: is only for vendors 1 and 2")
    return faults


def check_storage(raw: Mapping[str, Any]) -> list[str]:
    """List every fault of what would make a StorageConfig, without showing a value of a key."""
    faults = []
    try:
        StorageConfig.model_validate(dict(raw))
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            if not item["loc"]:
                continue  # the faults between the fields follow, whether or not pydantic got there
            where = ".".join(str(part) for part in item["loc"])
            faults.append(f"{where}: {_sentence(item['type'], where, item)}")
    vendor = raw.get("vendor")
    number = int(vendor) if isinstance(vendor, str) and vendor.isdecimal() else vendor
    return faults + _between({**raw, "vendor": number})


def _sentence(kind: str, where: str, item: Mapping[str, Any]) -> str:
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return "is not known here" + suggest(where, StorageConfig.model_fields)
    if kind == "value_error":
        return str(item["ctx"]["error"])
    return str(item["msg"]).replace("Input should", "should")


def check_storage_region(request: Mapping[str, Any], storage: StorageConfig) -> list[str]:
    """List it as a fault when the bucket lies outside the area that acquire fences.

    Only where both are known without a doubt; Azure and Google tell no region.
    """
    fence, area = at(request, "acquire", "region"), _area_of(storage)
    if fence is None or area is None or fence == area:
        return []
    name = REGIONS[storage.vendor][storage.region]
    return [f"request.acquire.region: the bucket lies in {name}, outside {fence}"]


def _area_of(storage: StorageConfig) -> str | None:
    name = REGIONS[storage.vendor].get(storage.region, "")
    if storage.vendor in _DOUBTFUL_VENDORS or name in _DOUBTFUL_NAMES:
        return None
    return _AREAS.get(name.split("_", 1)[0])
