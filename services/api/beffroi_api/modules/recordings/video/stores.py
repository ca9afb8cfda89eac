"""Which object store holds a recording."""

from __future__ import annotations

from collections.abc import Iterable

from beffroi_api.errors import UnknownStore
from beffroi_common.contracts import StoreName
from beffroi_common.store import ObjectStore


class Stores:
    """The stores that the settings name. Of any other nothing is served: nobody says what its promises are."""

    def __init__(self, stores: Iterable[ObjectStore]) -> None:
        self._by_name = {store.name: store for store in stores}

    def holding(self, store: StoreName) -> ObjectStore:
        """The store of that name.

        Raises:
            UnknownStore: no setting names it.
        """
        found = self._by_name.get(store)
        if found is None:
            raise UnknownStore(
                f"The recording lies in the store '{store}', which this api is not set up to read: an administrator "
                "adds it to the settings (BEFFROI_API_STORES)."
            )
        return found

    def every(self) -> list[ObjectStore]:
        """All of them."""
        return list(self._by_name.values())
