"""The bus on Kafka, by confluent-kafka.

clients            `KafkaBus`, which makes the others for one instance of a service
configuration      librdkafka's settings
producer           what is sent, and what of it is acknowledged
consumers          members of a group, and followers of all partitions
layout             whether the topics are laid out as they must be
partition_reader   chosen partitions from a chosen moment on
reading            one record after the other, as every reader gets them
rdkafka_log        what librdkafka writes by itself
"""

from .clients import KafkaBus, admin_client
from .configuration import connection
from .layout import TopicMismatchError, await_slots, watch_slots

__all__ = ["KafkaBus", "TopicMismatchError", "admin_client", "await_slots", "connection", "watch_slots"]
