"""What the name server answers: from its catalogue, or by asking others; small, for its own process."""

from collections.abc import Callable
from functools import partial

from controller.kernel.names import dns
from controller.kernel.names.dns_catalogue import Catalogue, Entry, View
from controller.kernel.names.dns_loop import Loop
from controller.kernel.names.dns_upstream import Forwarder, read_resolvers


class Answers:
    """Answers questions out of `catalogue`."""

    def __init__(self, loop: Loop, resolv_conf_path: str) -> None:
        self.catalogue = Catalogue()
        self._forwarder = Forwarder(loop)
        self._resolv_conf_path = resolv_conf_path

    def answer(
        self, gateway: str, sender: str, message: bytes, *, stream: bool, reply: Callable[[bytes], None]
    ) -> None:
        """Call `reply`, at once or later, with what a gateway tells a sender; never for what wants no answer."""
        question = dns.parse_question(message)
        if question is None:
            refusal = dns.render_format_error(message)
            if refusal is not None:
                reply(refusal)
            return
        view = self.catalogue.look_from(gateway, dns.pack_address(sender.partition("%")[0]))
        limit_bytes = dns.STREAM_LIMIT_BYTES if stream else question.limit_bytes
        own = _find_answer(view, question, limit_bytes)
        if own is not None:
            reply(own)
            return
        failure = dns.render_answer(question, limit_bytes=limit_bytes, code=dns.SERVER_FAILURE)
        self._forwarder.ask(
            message,
            self._choose_resolvers(view),
            stream=stream,
            answer=partial(_reply_or_fail, reply, failure),
        )

    def _choose_resolvers(self, view: View) -> tuple[str, ...]:
        """Return whom to ask on a container's behalf: its own name servers, or the host's; never ourselves."""
        chosen = view.upstreams or read_resolvers(self._resolv_conf_path)
        own = self.catalogue.list_gateways()
        return tuple(dict.fromkeys(each for each in chosen if each not in own))


def _reply_or_fail(reply: Callable[[bytes], None], failure: bytes, answer: bytes | None) -> None:
    reply(answer if answer is not None else failure)


def _find_answer(view: View, question: dns.Question, limit_bytes: int) -> bytes | None:
    """Return the answer, None when others have to be asked."""
    answer = partial(dns.render_answer, question, limit_bytes=limit_bytes)
    if not question.is_query or not view.networks:
        return answer(code=dns.NOT_IMPLEMENTED)
    if question.version:
        return answer(code=dns.BAD_VERSION)
    records = _find_records(view, question)
    if records is not None:
        return answer(records)
    if _is_ours(view, question):
        return answer(code=dns.NAME_ERROR)
    return None if view.leads_outside else answer(code=dns.REFUSED)


def _find_records(view: View, question: dns.Question) -> list[dns.Record] | None:
    """Return what is known under a name, None when nobody has it."""
    entry = view.find_name(question.name)
    if entry is not None:
        return _list_addresses(entry, question.type)
    host = view.find_address(question.reverse_address)
    if host is not None:
        return [(dns.TYPE_PTR, name) for each in host.names[:1] if (name := _pack(each))]
    return None


def _is_ours(view: View, question: dns.Question) -> bool:
    """Tell whether nobody else can know: a name without a dot, or of an address of the asker's networks."""
    short = question.name and "." not in question.name and question.type != dns.TYPE_NS
    return bool(short) or view.has(question.reverse_address)


def _list_addresses(entry: Entry, kind: int) -> list[dns.Record]:
    kinds = (dns.TYPE_A, dns.TYPE_AAAA) if kind == dns.TYPE_ANY else (kind,)
    return [
        record for each in kinds if each in (dns.TYPE_A, dns.TYPE_AAAA) for record in entry.list_records(each)
    ]


def _pack(name: str) -> bytes:
    """Return a name for a record, empty when it can't be one."""
    try:
        return dns.pack_name(name)
    except ValueError:
        return b""
