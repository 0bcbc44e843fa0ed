"""What Redis does in one step. Commands and options of 6.2; all keys of a call have one hash tag.

Each may be repeated when its reply was lost: events that are there are skipped, an end that was set is the same.
Channels are arguments, as they are no keys. Numbers from readers stay text: Lua's are exact to 2^53 only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

__all__ = ["APPEND", "BURY", "CLAIM", "DROP", "EXTEND", "OPEN", "READ", "RELEASE", "RENAME", "STOP", "Call", "Script"]

#: One command with its arguments.
Call = tuple[str | bytes | int, ...]


class Script:
    """A script, called by its hash."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def call(self, keys: Sequence[str], *arguments: str | bytes | int) -> Call:
        """The command that runs it."""
        return ("EVALSHA", self.sha, len(keys), *keys, *arguments)


#: KEYS meta. ARGV owner, token, replica, milliseconds. 0: the id is in use, by somebody else.
OPEN = Script("""
if redis.call('EXISTS', KEYS[1]) == 1 then
  return redis.call('HGET', KEYS[1], 'token') == ARGV[2] and 1 or 0
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'token', ARGV[2], 'replica', ARGV[3], 'last', '0')
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
""")

#: KEYS meta, events. ARGV token, channel, milliseconds, renew, oldest to keep, head, end, then n and event by turns.
#: Empty is none. The token fences: who does not hold it, or comes after the end, writes nothing. Events below the
#: oldest to keep may be passed over. Any other gap means that Redis has lost some (a failover to one that lagged).
APPEND = Script("""
local meta = redis.call('HMGET', KEYS[1], 'token', 'last', 'end', 'stop')
if not meta[1] then return 'gone' end
if meta[1] ~= ARGV[1] then return 'fenced' end
if meta[3] then return meta[3] == ARGV[7] and 'ok' or 'fenced' end
local last, ending = tonumber(meta[2]), ARGV[7]
local first, reply = last + 1, 'ok'
if ARGV[5] ~= '' and tonumber(ARGV[5]) > last + 1 then
  redis.call('DEL', KEYS[2])
  last = tonumber(ARGV[5]) - 1
end
for i = 8, #ARGV, 2 do
  local n = tonumber(ARGV[i])
  if n == last + 1 then
    redis.call('XADD', KEYS[2], ARGV[i] .. '-0', 'e', ARGV[i + 1])
    last = n
  elseif n > last then
    ending, reply = 'unavailable', 'gap'
    break
  end
end
if last >= first then redis.call('HSET', KEYS[1], 'last', string.format('%.0f', last)) end
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'head', ARGV[6]) end
if ending ~= '' then redis.call('HSET', KEYS[1], 'end', ending) end
if ARGV[5] ~= '' then redis.call('XTRIM', KEYS[2], 'MINID', '~', ARGV[5] .. '-0') end
if ARGV[4] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
if ARGV[4] ~= '' or redis.call('PTTL', KEYS[2]) == -1 then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
if last >= first or ending ~= '' then redis.call('PUBLISH', ARGV[2], 'more') end
if reply == 'ok' and meta[4] then return 'stop' end
return reply
""")

#: KEYS meta, events. ARGV owner, after, count, whether the head is wanted. Nil: not there, or another's. Else replica,
#: head, last, end, events; with count 0 the oldest event in place of those.
READ = Script("""
local meta = redis.call('HMGET', KEYS[1], 'owner', 'replica', 'last', 'end')
if not meta[1] or meta[1] ~= ARGV[1] then return false end
local head = ARGV[4] ~= '' and redis.call('HGET', KEYS[1], 'head')
local events
if ARGV[3] == '0' then
  events = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
else
  events = redis.call('XRANGE', KEYS[2], '(' .. ARGV[2] .. '-0', '+', 'COUNT', ARGV[3])
end
return {meta[2], head, meta[3], meta[4], events}
""")

#: KEYS meta. ARGV owner, the replicas' channels up to the name, message. It goes out although Redis may be full, and
#: where the producer may run on though nothing of it is kept any more.
STOP = Script("""
local meta = redis.call('HMGET', KEYS[1], 'owner', 'replica', 'end')
if not meta[1] or meta[1] ~= ARGV[1] then return 0 end
if not meta[3] or meta[3] == 'unavailable' or meta[3] == 'owner_lost' then
  redis.call('PUBLISH', ARGV[2] .. meta[2], ARGV[3])
  redis.pcall('HSET', KEYS[1], 'stop', '1')
end
return 1
""")

#: KEYS meta. ARGV replica, channel. The stream of a dead process ends; should that one come back, it is fenced.
BURY = Script("""
local meta = redis.call('HMGET', KEYS[1], 'replica', 'end')
if meta[1] ~= ARGV[1] or meta[2] then return 0 end
redis.call('HSET', KEYS[1], 'end', 'owner_lost')
redis.call('PUBLISH', ARGV[2], 'more')
return 1
""")

#: KEYS meta, events. ARGV token, channel.
DROP = Script("""
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 'gone' end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('PUBLISH', ARGV[2], 'more')
return 'ok'
""")

#: KEYS name. ARGV stream, milliseconds, the stream that may be taken over from. Returns whose it is now.
CLAIM = Script("""
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[3] then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
""")

#: KEYS name. ARGV stream, milliseconds.
EXTEND = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
""")

#: KEYS name. ARGV stream, milliseconds. Returns what the name led to before, or nil.
RENAME = Script("""
local held = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return held
""")

#: KEYS name. ARGV stream, what it is to lead to instead (empty: nothing), milliseconds.
RELEASE = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
""")
