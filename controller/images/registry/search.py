"""Search: by the old protocol where a registry has it, otherwise in the list of its repositories."""

from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from controller.errors import Invalid, NotFound, Refused
from controller.images.registry.origin import Call, Origin
from controller.images.registry.origins import Origins
from controller.images.registry.repository import find_next_page
from controller.ports import SearchResult

_MOST_PAGES = 100


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _ResultDocument(_Document):
    name: str
    description: str | None = ""
    star_count: int = 0
    is_official: bool = False


class _ResultsDocument(_Document):
    results: list[_ResultDocument] | None = None


class _CatalogDocument(_Document):
    repositories: list[str] | None = Field(default=None)


async def search(origins: Origins, term: str, *, limit: int) -> tuple[SearchResult, ...]:
    """Return at most `limit` repositories, the registry's best first. Refused, Unavailable, Invalid."""
    return await origins.ask_in_turn(lambda origin: _search(origin, term, limit))


async def _search(origin: Origin, term: str, limit: int) -> tuple[SearchResult, ...]:
    about = f"a search in {origin.endpoint.registry}"
    try:
        query = urlencode({"q": term, "n": limit})
        answer = await origin.ask(Call(path=f"/v1/search?{query}", about=about))
    except (NotFound, Refused) as error:
        if error.__cause__ is not None:
            raise
        return await _search_catalog(origin, term, limit, about)
    try:
        document = _ResultsDocument.model_validate_json(answer.content)
    except ValidationError as error:
        raise Invalid(f"{about}: the registry's answer is no list of results") from error
    return tuple(
        SearchResult(
            name=each.name,
            description=" ".join((each.description or "").split()),
            stars=each.star_count,
            official=each.is_official,
        )
        for each in (document.results or [])[:limit]
    )


async def _search_catalog(origin: Origin, term: str, limit: int, about: str) -> tuple[SearchResult, ...]:
    found: list[SearchResult] = []
    path = "/v2/_catalog?n=1000"
    for _ in range(_MOST_PAGES):
        answer = await origin.ask(Call(path=path, about=about, scopes=("registry:catalog:*",)))
        try:
            names = _CatalogDocument.model_validate_json(answer.content).repositories or []
        except ValidationError as error:
            raise Invalid(f"{about}: the registry's list of repositories is none") from error
        found.extend(SearchResult(name=name) for name in names if term in name)
        path = find_next_page(answer, origin)
        if not path or len(found) >= limit:
            break
    return tuple(found[:limit])
