"""The bucket: vendors, regions, prefix, and keys that show nowhere."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from recording_tasks.wire import StorageConfig, check_storage, check_storage_region

GOOD: dict[str, Any] = {
    "vendor": 1,
    "region": 4,
    "bucket": "recordings",
    "access_key": "AKIA-hunter2",
    "secret_key": "s3cr3t-hunter2",
}


def storage(**fields: Any) -> StorageConfig:
    """A good bucket with these fields replaced."""
    return StorageConfig.model_validate(GOOD | fields)


@pytest.mark.parametrize("vendor", range(9))
def test_every_documented_vendor_passes(vendor: int) -> None:
    """0 to 8; 11 has a test of its own."""
    assert check_storage(GOOD | {"vendor": vendor, "region": 1}) == []


def test_a_self_built_store_needs_its_endpoint() -> None:
    """Vendor 11 is any S3-compatible store, so Agora must be told where."""
    assert check_storage(GOOD | {"vendor": 11, "region": 0}) == [
        "endpoint: is required for vendor 11"
    ]
    assert check_storage(GOOD | {"vendor": 11, "region": 0, "endpoint": "s3.example.com"}) == []


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"vendor": 9}, "vendor: 9 is not a vendor that Agora documents"),
        ({"vendor": 10}, "vendor: 10 is not a vendor"),
        ({"vendor": -1}, "vendor: -1 is not a vendor"),
        ({"region": -1}, "region: should be greater than or equal to 0"),
        ({"bucket": ""}, "bucket: "),
        ({"access_key": " "}, "access_key: is empty"),
        ({"secret_key": ""}, "secret_key: is empty"),
        ({"file_name_prefix": ["a_b"]}, "file_name_prefix: every part must be letters and digits"),
        ({"file_name_prefix": ["a/b"]}, "file_name_prefix: every part"),
        ({"file_name_prefix": ["a", ""]}, "file_name_prefix: every part"),
        ({"file_name_prefix": ["a\n"]}, "file_name_prefix: every part"),
        ({"file_name_prefix": ["a" * 128]}, "longer than 128"),
        ({"endpoint": "s3.example.com"}, "endpoint: is only for vendor 11"),
        ({"vendor": 11, "endpoint": "a b"}, "endpoint: must be the host"),
        ({"sts_token": "t"}, "sts_expiration: belongs together with sts_token"),
        ({"sts_expiration": 1}, "sts_expiration: belongs together with sts_token"),
        ({"vendor": 7, "sts_token": "t", "sts_expiration": 1}, "sts_token: is only for vendors"),
        ({"sse": "rot13"}, "sse: must be 'kms' or 'aes256'"),
        ({"vendor": 2, "sse": "kms"}, "sse: is only for vendor 1"),
        ({"vendor": 3, "tag": "x"}, "tag: is only for vendors 1 and 2"),
        ({"acess_key": "x"}, "acess_key: is not known here; did you mean access_key?"),
    ],
)
def test_a_bad_bucket_is_told(fields: dict[str, Any], sentence: str) -> None:
    """With the key it is about, and never with a value of a key."""
    faults = check_storage(GOOD | fields)

    assert any(sentence in fault for fault in faults), faults
    assert "hunter2" not in " ".join(faults)


def test_every_fault_of_a_bucket_is_told_at_once() -> None:
    """Missing keys do not hide what does not fit together."""
    faults = check_storage({"vendor": "11", "sts_token": "t"})

    assert {fault.split(":")[0] for fault in faults} == {
        "region",
        "bucket",
        "access_key",
        "secret_key",
        "endpoint",
        "sts_token",
        "sts_expiration",
    }


def test_the_longest_prefix_counts_its_slashes() -> None:
    """128 characters with the slash at the end."""
    assert check_storage(GOOD | {"file_name_prefix": ["a" * 63, "b" * 63]}) == []
    assert check_storage(GOOD | {"file_name_prefix": ["a" * 63, "b" * 64]})


def test_numbers_from_the_environment_are_strings() -> None:
    """Settings hand over text."""
    assert storage(vendor="1", region="4") == storage()


def test_an_unknown_region_only_warns() -> None:
    """Agora's list grows faster than ours."""
    assert storage(region=99).warnings() == (
        "region: 99 is not in the list that we know for Amazon S3",
    )
    assert storage(region=25).warnings() == ()
    assert storage(vendor=8, region=0).warnings()
    assert storage(vendor=7, region=15).warnings() == ()
    assert storage(vendor=2, region=27).warnings() == ()
    assert storage(vendor=3, region=19).warnings() == ()


def test_the_wire_has_agoras_spelling() -> None:
    """Optional parts only where they are given."""
    assert storage().to_wire() == {
        "vendor": 1,
        "region": 4,
        "bucket": "recordings",
        "accessKey": "AKIA-hunter2",
        "secretKey": "s3cr3t-hunter2",
    }
    full = storage(
        sts_token="session-hunter2",
        sts_expiration=1_900_000_000,
        file_name_prefix=["a", "b"],
        sse="kms",
        tag="t",
    )
    assert full.to_wire() == storage().to_wire() | {
        "stsToken": "session-hunter2",
        "stsExpiration": 1_900_000_000,
        "fileNamePrefix": ["a", "b"],
        "extensionParams": {"sse": "kms", "tag": "t"},
    }


def test_keys_show_nowhere() -> None:
    """Not in the repr, not in the text, not in pydantic's own error."""
    bucket = storage(sts_token="session-hunter2", sts_expiration=1)
    with pytest.raises(ValidationError) as error:
        StorageConfig.model_validate(GOOD | {"vendor": 9, "sts_token": "hunter2"})

    for text in (repr(bucket), str(bucket), str(bucket.model_dump()), str(error.value)):
        assert "hunter2" not in text


@pytest.mark.parametrize(
    ("fence", "vendor", "region", "fits"),
    [
        ("EU", 1, 4, True),
        ("NA", 1, 0, True),
        ("AP", 1, 14, True),
        ("CN", 1, 15, True),
        ("EU", 1, 0, False),
        ("CN", 2, 8, False),
        ("EU", 2, 3, False),
        ("CN", 3, 2, True),  # Tencent's Shanghai begins with AP
        ("EU", 5, 0, True),  # Azure tells no region
        ("EU", 1, 99, True),
        ("EU", 1, 12, True),  # South America lies in none of the four areas
    ],
)
def test_a_bucket_outside_the_fence_is_a_fault(
    fence: str, vendor: int, region: int, fits: bool
) -> None:
    """Only where both areas are known without a doubt."""
    faults = check_storage_region(
        {"acquire": {"region": fence}}, storage(vendor=vendor, region=region)
    )

    assert (faults == []) is fits


def test_without_a_fence_any_bucket_fits() -> None:
    """The request need not name a region."""
    assert check_storage_region({}, storage()) == []
