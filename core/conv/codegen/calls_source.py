"""The program of `core.conv.codegen.calls`, in LLVM's own language.

What threads share is a few words of memory. A caller fills in the table, then opens it with a
ticket. Whoever has a ticket that it has not seen says that it is running, looks whether the table
is still open, and takes rows. When the caller finds no more rows it closes the table and waits
until nobody is running: from then on nobody looks at the table, or at the next row's number.

Every operation that one thread may meet another at is sequentially consistent: a helper says that
it runs *before* it looks whether the table is open, a caller closes it *before* it looks whether
anybody runs, so one of the two sees the other. The same holds for falling asleep and offering.
"""

from __future__ import annotations

from core.conv.codegen.emit import Kind
from core.conv.codegen.target import Target

# Words of 8 bytes in a line of the cache, and in the one that is fetched beside it.
LINE = 16
# Where in the shared memory, in words, what stands.
OPEN, NEXT, RUNNING, TABLE = 0, LINE, 2 * LINE, 3 * LINE
ROWS, DONE, SLEEPY = TABLE + 1, TABLE + 2, TABLE + 3
HELPERS = 4 * LINE
# A helper's own: whether it sleeps, and on a line of its own the last ticket that it has seen.
ASLEEP, SEEN = 0, LINE
HELPER = 2 * LINE
# Words of a row: a function's address and its arguments. Functions leave alone what they do not
# take: so it is with integers in the C calling conventions of x86-64, AArch64 and ARM's hard float.
ROW = 24

PARAMETERS: dict[str, tuple[Kind, ...]] = {
    "alone": ("integer",) * 2,
    "offer": ("integer",) * 6,
    "work": ("integer",) * 2,
    "wait": ("integer",) * 2,
    "serve": ("integer",) * 3,
}
"""The functions and what they take; addresses count as integers.

- ``alone(table, rows)``: make all calls.
- ``offer(state, table, rows, ticket, helpers, looks)``: open the table, and go on with ``work``
  unless `SLEEPY` says that a helper has to be woken.
- ``work(state, looks)``: make calls until none is left, close the table, and ``wait``.
- ``wait(state, looks)``: look that often whether all helpers are done; `DONE` tells.
- ``serve(state, own, looks)``: help with every table, until there was none for ``looks`` looks.
"""

_PAUSES = {
    "x86_64": "call void @llvm.x86.sse2.pause()",
    "aarch64": "call void @llvm.aarch64.hint(i32 1)",
}
_DECLARED = {
    "x86_64": "declare void @llvm.x86.sse2.pause()",
    "aarch64": "declare void @llvm.aarch64.hint(i32)",
}


def source(target: Target) -> str:
    """Return the IR of the module.

    Examples
    --------
    >>> from core.conv.codegen.target import host
    >>> "define void @serve" in source(host())
    True
    """
    architecture = target.triple.partition("-")[0]
    # A hint that others may use the core's other half; without it the loop is as right.
    pause = _PAUSES.get(architecture, "")
    # Where a thread has a place in the shared memory: its byte offset.
    at = {name: f"add i64 %state, {8 * word}" for name, word in _WORDS.items()}
    arguments = ", ".join(f"i64 %a{i}" for i in range(1, ROW))
    loads = "\n".join(
        f"  %p{i} = getelementptr i64, ptr %row, i64 {i}\n  %a{i} = load i64, ptr %p{i}"
        for i in range(ROW)
    )
    return f"""
target triple = "{target.triple}"
{_DECLARED.get(architecture, "")}

define internal void @call(i64 %table, i64 %number) {{
  %distance = mul i64 %number, {8 * ROW}
  %place = add i64 %table, %distance
  %row = inttoptr i64 %place to ptr
{loads}
  %function = inttoptr i64 %a0 to ptr
  call void %function({arguments})
  ret void
}}

define void @alone(i64 %table, i64 %rows) {{
entry:
  br label %turn
turn:
  %number = phi i64 [0, %entry], [%following, %turn]
  call void @call(i64 %table, i64 %number)
  %following = add i64 %number, 1
  %more = icmp slt i64 %following, %rows
  br i1 %more, label %turn, label %end
end:
  ret void
}}

; Takes rows while there are any.
define internal void @take(i64 %state) {{
entry:
  %next.at = {at["next"]}
  %next = inttoptr i64 %next.at to ptr
  %table.at = {at["table"]}
  %table.in = inttoptr i64 %table.at to ptr
  %table = load i64, ptr %table.in
  %rows.at = {at["rows"]}
  %rows.in = inttoptr i64 %rows.at to ptr
  %rows = load i64, ptr %rows.in
  br label %look
look:
  %number = atomicrmw add ptr %next, i64 1 seq_cst
  %there = icmp slt i64 %number, %rows
  br i1 %there, label %turn, label %end
turn:
  call void @call(i64 %table, i64 %number)
  br label %look
end:
  ret void
}}

define void @wait(i64 %state, i64 %looks) {{
entry:
  %running.at = {at["running"]}
  %running = inttoptr i64 %running.at to ptr
  %done.at = {at["done"]}
  %done.in = inttoptr i64 %done.at to ptr
  br label %look
look:
  %looked = phi i64 [0, %entry], [%following, %again]
  %others = load atomic i64, ptr %running seq_cst, align 8
  %done = icmp eq i64 %others, 0
  br i1 %done, label %end, label %again
again:
  {pause}
  %following = add i64 %looked, 1
  %more = icmp slt i64 %following, %looks
  br i1 %more, label %look, label %end
end:
  %answer = zext i1 %done to i64
  store i64 %answer, ptr %done.in
  ret void
}}

define void @work(i64 %state, i64 %looks) {{
  call void @take(i64 %state)
  %open.at = {at["open"]}
  %open = inttoptr i64 %open.at to ptr
  %ticket = atomicrmw xchg ptr %open, i64 0 seq_cst
  call void @wait(i64 %state, i64 %looks)
  ret void
}}

define void @offer(i64 %state, i64 %table, i64 %rows, i64 %ticket, i64 %helpers, i64 %looks) {{
entry:
  %table.at = {at["table"]}
  %table.in = inttoptr i64 %table.at to ptr
  store i64 %table, ptr %table.in
  %rows.at = {at["rows"]}
  %rows.in = inttoptr i64 %rows.at to ptr
  store i64 %rows, ptr %rows.in
  %done.at = {at["done"]}
  %done.in = inttoptr i64 %done.at to ptr
  store i64 0, ptr %done.in
  %next.at = {at["next"]}
  %next = inttoptr i64 %next.at to ptr
  store i64 0, ptr %next
  %open.at = {at["open"]}
  %open = inttoptr i64 %open.at to ptr
  %before = atomicrmw xchg ptr %open, i64 %ticket seq_cst
  br label %look
look:
  %number = phi i64 [0, %entry], [%following, %look]
  %sleepy = phi i64 [0, %entry], [%sleepers, %look]
  %distance = mul i64 %number, {8 * HELPER}
  %first = add i64 %state, {8 * (HELPERS + ASLEEP)}
  %asleep.at = add i64 %first, %distance
  %asleep.in = inttoptr i64 %asleep.at to ptr
  %asleep = load atomic i64, ptr %asleep.in seq_cst, align 8
  %sleepers = or i64 %sleepy, %asleep
  %following = add i64 %number, 1
  %more = icmp slt i64 %following, %helpers
  br i1 %more, label %look, label %tell
tell:
  %sleepy.at = {at["sleepy"]}
  %sleepy.in = inttoptr i64 %sleepy.at to ptr
  store i64 %sleepers, ptr %sleepy.in
  %awake = icmp eq i64 %sleepers, 0
  br i1 %awake, label %go, label %end
go:
  call void @work(i64 %state, i64 %looks)
  br label %end
end:
  ret void
}}

define void @serve(i64 %state, i64 %own, i64 %looks) {{
entry:
  %open.at = {at["open"]}
  %open = inttoptr i64 %open.at to ptr
  %running.at = {at["running"]}
  %running = inttoptr i64 %running.at to ptr
  %asleep.at = add i64 %own, {8 * ASLEEP}
  %asleep = inttoptr i64 %asleep.at to ptr
  %seen.at = add i64 %own, {8 * SEEN}
  %seen.in = inttoptr i64 %seen.at to ptr
  %seen.before = load i64, ptr %seen.in
  br label %look
look:
  %seen = phi i64 [%seen.before, %entry], [%seen, %again], [%seen, %awake], [%ticket, %leave]
  %looked = phi i64 [0, %entry], [%following, %again], [0, %awake], [0, %leave]
  %ticket = load atomic i64, ptr %open seq_cst, align 8
  %closed = icmp eq i64 %ticket, 0
  %known = icmp eq i64 %ticket, %seen
  %nothing = or i1 %closed, %known
  br i1 %nothing, label %pause, label %enter
enter:
  %others = atomicrmw add ptr %running, i64 1 seq_cst
  %now = load atomic i64, ptr %open seq_cst, align 8
  %still = icmp eq i64 %now, %ticket
  br i1 %still, label %help, label %leave
help:
  call void @take(i64 %state)
  br label %leave
leave:
  %with = atomicrmw sub ptr %running, i64 1 seq_cst
  br label %look
pause:
  {pause}
  %following = add i64 %looked, 1
  %more = icmp slt i64 %following, %looks
  br i1 %more, label %again, label %sleep
again:
  br label %look
sleep:
  %was = atomicrmw xchg ptr %asleep, i64 1 seq_cst
  %last = load atomic i64, ptr %open seq_cst, align 8
  %last.closed = icmp eq i64 %last, 0
  %last.known = icmp eq i64 %last, %seen
  %last.nothing = or i1 %last.closed, %last.known
  br i1 %last.nothing, label %end, label %wake
wake:
  %alarm = atomicrmw xchg ptr %asleep, i64 0 seq_cst
  %unheard = icmp eq i64 %alarm, 1
  ; Otherwise the caller has rung already, and the ring must be heard.
  br i1 %unheard, label %awake, label %end
awake:
  br label %look
end:
  store i64 %seen, ptr %seen.in
  ret void
}}
"""


_WORDS = {
    "open": OPEN,
    "next": NEXT,
    "running": RUNNING,
    "table": TABLE,
    "rows": ROWS,
    "done": DONE,
    "sleepy": SLEEPY,
}
