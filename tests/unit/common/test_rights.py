"""Who may do what on the broker follows from the registry, and from nothing else."""

from __future__ import annotations

from beffroi_common.bus.rights import OWN, RULES_CHANGELOG, TOPICS_USER, Operation, Resource, Right, rights, user_of
from beffroi_common.topics import CAMERAS, FRAMES_RAW, Service, every_topic
from beffroi_detector.rules.app import APP, TABLE


def who(operation: Operation, topic: str) -> set[str]:
    return {each.user for each in rights() if each.operation == operation and each.name == topic}


def test_pictures_without_masks_are_written_by_one_and_read_by_one() -> None:
    assert who(Operation.WRITE, FRAMES_RAW.name) == {"beffroi-ingest"}
    assert who(Operation.READ, FRAMES_RAW.name) == {"beffroi-masker"}


def test_masks_are_decided_by_the_api_alone() -> None:
    assert who(Operation.WRITE, CAMERAS.name) == {"beffroi-api"}


def test_every_topic_has_its_writers_and_readers() -> None:
    for topic in every_topic():
        assert who(Operation.WRITE, topic.name) == {user_of(each) for each in topic.producers}
        assert who(Operation.READ, topic.name) == {user_of(each) for each in topic.consumers}


def test_only_services_have_rights_and_none_is_wide() -> None:
    users = {user_of(each): each for each in Service}
    topics = {topic.name for topic in every_topic()}
    for right in rights():
        assert right.user in users
        if right.resource is Resource.TOPIC:
            assert right.name in topics | {RULES_CHANGELOG}
            assert not right.prefixed
        if right.prefixed:
            assert right.name == f"{right.user}-"
    assert TOPICS_USER not in users


def test_no_services_groups_are_anothers() -> None:
    names = [f"{user_of(each)}-" for each in Service]
    assert not [(one, other) for one in names for other in names if one != other and one.startswith(other)]
    assert not [each for each in Service if each.value.startswith(OWN)]


def test_the_rules_make_the_changelog_that_faust_names() -> None:
    assert f"{APP}-{TABLE}-changelog" == RULES_CHANGELOG
    makers = {each for each in rights() if each.operation is Operation.CREATE}
    assert makers == {Right("beffroi-rules", Operation.CREATE, Resource.TOPIC, RULES_CHANGELOG)}
