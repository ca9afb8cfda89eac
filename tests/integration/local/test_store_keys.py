"""One machine is not one trust zone: the real store refuses whoever has no right, key by key and deed by deed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from minio.commonconfig import ENABLED, CopySource, Filter, Tags
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from minio.minioadmin import MinioAdmin
from minio.versioningconfig import VersioningConfig

from beffroi_common.store.policies import ACTIONS
from beffroi_common.topics import Service
from beffroi_local.minio import ObjectServer, object_server
from minio import Minio

NAME = "segment.mp4"
OTHER = "other-bucket"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """A store as the demo has it, with a bucket of somebody else beside ours."""
    with object_server(tmp_path_factory.mktemp("store")) as started:
        started.grant()
        owner = started.settings()
        client = Minio(
            endpoint=started.endpoint,
            access_key=owner.access_key,
            secret_key=owner.secret_key.get_secret_value(),
            secure=False,
        )
        for bucket in (owner.bucket, OTHER):
            client.make_bucket(bucket_name=bucket)
            client.put_object(bucket_name=bucket, object_name=NAME, data=io.BytesIO(b"film"), length=4)
        yield started


def put(client: Minio, bucket: str, name: str) -> None:
    client.put_object(bucket_name=bucket, object_name=name, data=io.BytesIO(b"film"), length=4)


def lifecycle() -> LifecycleConfig:
    rule = Rule(status=ENABLED, rule_filter=Filter(prefix=""), rule_id="r", expiration=Expiration(days=14))
    return LifecycleConfig(rules=[rule])


def abort(client: Minio, bucket: str) -> None:
    client._execute("DELETE", bucket, NAME, query_params={"uploadId": "unknown"})


def copy(client: Minio, bucket: str) -> None:
    source = CopySource(bucket_name=OTHER, object_name=NAME)
    client.copy_object(bucket_name=bucket, object_name="copy", source=source)


def tags() -> Tags:
    made = Tags.new_bucket_tags()
    made["a"] = "b"
    return made


READING = {"get", "head", "list", "is it there"}
KEEPING = READING | {"put", "remove", "lifecycle", "set lifecycle", "versioning", "uploads", "abort"}
DEEDS: dict[str, Callable[[Minio, str], object]] = {
    "get": lambda client, bucket: client.get_object(bucket_name=bucket, object_name=NAME).close(),
    "head": lambda client, bucket: client.stat_object(bucket_name=bucket, object_name=NAME),
    "list": lambda client, bucket: list(client.list_objects(bucket_name=bucket)),
    "is it there": lambda client, bucket: client._execute("HEAD", bucket),
    "put": lambda client, bucket: put(client, bucket, "new"),
    "remove": lambda client, bucket: client.remove_object(bucket_name=bucket, object_name="new"),
    "lifecycle": lambda client, bucket: client.get_bucket_lifecycle(bucket_name=bucket),
    "set lifecycle": lambda client, bucket: client.set_bucket_lifecycle(bucket_name=bucket, config=lifecycle()),
    "versioning": lambda client, bucket: client.get_bucket_versioning(bucket_name=bucket),
    "uploads": lambda client, bucket: client._list_multipart_uploads(bucket),
    "abort": abort,
    "copy from elsewhere": copy,
    "set versioning": lambda client, bucket: client.set_bucket_versioning(
        bucket_name=bucket, config=VersioningConfig(status=ENABLED)
    ),
    "open to all": lambda client, bucket: client.set_bucket_policy(
        bucket_name=bucket,
        policy='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, '
        f'"Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::{bucket}/*"]}}]}}',
    ),
    "read policy": lambda client, bucket: client.get_bucket_policy(bucket_name=bucket),
    "tag": lambda client, bucket: client.set_bucket_tags(bucket_name=bucket, tags=tags()),
    "remove bucket": lambda client, bucket: client.remove_bucket(bucket_name=bucket),
    "make another": lambda client, _bucket: client.make_bucket(bucket_name="a-third-bucket"),
}
EXPECTED: dict[Service, set[str]] = {Service.API: READING, Service.RECORDER: KEEPING}


def client_of(store: ObjectServer, service: Service) -> Minio:
    own = store.settings(service)
    return Minio(
        endpoint=own.endpoint, access_key=own.access_key, secret_key=own.secret_key.get_secret_value(), secure=False
    )


def refused(deed: Callable[[], object]) -> bool:
    """Whether the store says that one has no right; any other answer is one that a stranger must not get."""
    try:
        deed()
    except S3Error as error:
        return error.code == "AccessDenied"
    return False


def test_every_key_is_looked_at() -> None:
    assert set(EXPECTED) == set(ACTIONS)


@pytest.mark.parametrize("service", EXPECTED)
@pytest.mark.parametrize("deed", DEEDS)
def test_a_key_does_what_its_service_needs_and_no_more(store: ObjectServer, service: Service, deed: str) -> None:
    client, bucket = client_of(store, service), store.settings(service).bucket
    assert refused(partial(DEEDS[deed], client, bucket)) == (deed not in EXPECTED[service])


@pytest.mark.parametrize("service", EXPECTED)
@pytest.mark.parametrize("deed", DEEDS)
def test_no_key_reaches_another_bucket(store: ObjectServer, service: Service, deed: str) -> None:
    assert refused(partial(DEEDS[deed], client_of(store, service), OTHER))


@pytest.mark.parametrize("service", EXPECTED)
def test_no_key_administers_the_store(store: ObjectServer, service: Service) -> None:
    own = store.settings(service)
    keys = StaticProvider(own.access_key, own.secret_key.get_secret_value())
    admin = MinioAdmin(endpoint=own.endpoint, credentials=keys, secure=False)
    deeds: list[Callable[[], object]] = [
        lambda: admin.user_add("intruder", "a-long-secret"),
        lambda: admin.attach_policy(["consoleAdmin"], user=own.access_key),
        lambda: admin.policy_add("mine", policy={"Version": "2012-10-17", "Statement": []}),
        admin.user_list,
        admin.info,
    ]
    for deed in deeds:
        with pytest.raises(MinioAdminException, match="AccessDenied"):
            deed()


def test_nobody_reads_the_store_without_a_key(store: ObjectServer) -> None:
    client = Minio(endpoint=store.endpoint, secure=False)
    for deed in READING:
        assert refused(partial(DEEDS[deed], client, store.settings().bucket))
