-- What is stored for a lock: one hash, so that every command names one key and follows it wherever a Cluster moves it.
--   v            the version of this format
--   f            the largest fence reserved
--   h            the writer's hold: until, fence, sequence, since, process, token, metadata. The fence and the metadata are
--                of whom it serves, as far as a renewal has told.
--                A sequence of "r": it is being revoked. A token of "-": the key rests.
--   c            the shared holds: how many, the earliest and the latest end, which are bounds, and whether the latest is
--                exact (1)
--   s:<token>    a shared hold: until, fence, sequence, since, limit (0: none), process, metadata
--   q            the queue: number of the first place, number of the next, how many
--   #<number>    a place: token, mode, limit, ttl, since, process, metadata
--   @<token>     the number of its place
--   ~<process>   how many places it has, until when it vouches for them, since when it is missing (0: it is not)
--   x            tokens that left and must not come in late, and, after a "-", those whose hold was revoked: number of
--                the first, number of the next
--   x#<number>   such a token: until when, the token
--   x:<token>    until when
-- Times are ms since 1970 on the server's clock. The hash expires a day after all that is in it, or an hour
-- or two sooner.
--
-- Expects: lock, time, now, and what the hash has as v, f, h, c, q: version, last, hold, shared, queue.
local DAY, HOUR, FENCES, MISSING_MS, REFUSE_MS = 86400000, 3600000, 63, 3000, 60000

if version and version ~= '2' or not version and redis.call('EXISTS', lock) == 1 then
  return redis.error_reply('LATCHKEY the lock is stored in the format of another release')
end

-- What is to be removed and what is to be stored, until save writes it.
local gone, kept = {}, {}
local function put(field, value)
  if value then
    kept[#kept + 1] = field
    kept[#kept + 1] = value
  else
    gone[#gone + 1] = field
  end
end

local hold_until, hold_token = 0, nil
if hold then
  hold_until, hold_token = string.match(hold, '^(%d+) %d+ %w+ %d+ %S+ (%S+)')
  hold_until = tonumber(hold_until)
  if hold_until <= now then
    redis.call('HDEL', lock, 'h')
    hold, hold_until, hold_token = false, 0, nil
  end
end
local hold_stored, last_stored = hold, last

local inside, earliest, latest, exact = 0, 0, 0, 1
if shared then
  inside, earliest, latest, exact = string.match(shared, '^(%d+) (%d+) (%d+) (%d)$')
  inside, earliest, latest, exact = tonumber(inside), tonumber(earliest), tonumber(latest), tonumber(exact)
end

local first, next_place, places = 1, 1, 0
if queue then
  first, next_place, places = string.match(queue, '^(%d+) (%d+) (%d+)$')
  first, next_place, places = tonumber(first), tonumber(next_place), tonumber(places)
end

-- Calls fn with the token and the record of each shared hold.
local function each_shared(fn)
  local cursor = '0'
  repeat
    local page = redis.call('HSCAN', lock, cursor, 'MATCH', 's:*', 'COUNT', 1000)
    cursor = page[1]
    for i = 1, #page[2], 2 do fn(string.sub(page[2][i], 3), page[2][i + 1]) end
  until cursor == '0'
end

local function write(command, list)
  for i = 1, #list, 1000 do redis.call(command, lock, unpack(list, i, math.min(i + 999, #list))) end
end

-- Counts the shared holds anew, and drops those whose time is up.
local function count_shared()
  local late = {}
  inside, earliest, latest, exact = 0, math.huge, 0, 1
  each_shared(function(token, record)
    local ends = tonumber(string.match(record, '^%d+'))
    if ends <= now then
      late[#late + 1] = 's:' .. token
    else
      inside, earliest, latest = inside + 1, math.min(earliest, ends), math.max(latest, ends)
    end
  end)
  write('HDEL', late)
end
if inside > 0 and earliest <= now then count_shared() end

-- ms until nobody surely holds the lock any more, and it does not rest; for one with a limit, until the first of the shared
-- holds may be over. "at_most": a time that may be longer, for nothing. Only after save.
local function time_left(limit, at_most)
  if inside > 0 and limit > 0 then return math.max(earliest, now) - now end
  if inside > 0 and exact == 0 and not at_most then
    count_shared()
    -- Or each who asks would count them all. A full Redis may refuse it.
    if inside > 0 then redis.pcall('HSET', lock, 'c', inside .. ' ' .. earliest .. ' ' .. latest .. ' 1') end
  end
  return math.max(hold_until, inside > 0 and latest or 0, now) - now
end

-- Writes what has changed.
local function save(claims)
  local count = inside > 0 and inside .. ' ' .. earliest .. ' ' .. latest .. ' ' .. exact
  local numbers = places > 0 and first .. ' ' .. next_place .. ' ' .. places
  if hold ~= hold_stored then put('h', hold) end
  if last ~= last_stored then put('f', string.format('%.0f', last)) end
  if count ~= shared then put('c', count) end
  if numbers ~= queue then put('q', numbers) end
  if #kept > 0 and not version then put('v', '2') end
  -- A full Redis refuses a script whose first write needs memory: a claim, and no other.
  if claims and #gone > 0 then redis.call('HSET', lock, 'v', '2') end
  if not claims and #gone == 0 and #kept > 0 then gone[1] = '-' end
  write('HDEL', gone)
  write('HSET', kept)
  -- Once an hour is enough for what lives a day longer than a short hold.
  local life = math.max(hold_until, inside > 0 and latest or 0, now) - now
  if life > HOUR or not last_stored or math.floor(last_stored / 3600000000) ~= math.floor(now / HOUR) then
    redis.call('PEXPIRE', lock, life + DAY)
  end
end

-- The hold begins: its fence.
local function enter(token, mode, limit, ttl, process, meta)
  local fence, ends = time[1] * 1000000 + time[2], now + ttl
  if last and last + 1 > fence then fence = last + 1 end
  last = mode == 'w' and fence + FENCES or fence
  local begun = ends .. ' ' .. string.format('%.0f', fence) .. ' 0 ' .. now .. ' '
  if mode == 'w' then
    hold, hold_until, hold_token = begun .. process .. ' ' .. token .. ' ' .. meta, ends, token
  else
    put('s:' .. token, begun .. limit .. ' ' .. process .. ' ' .. meta)
    if inside == 0 or ends >= latest then latest, exact = ends, 1 end
    earliest = inside == 0 and ends or math.min(earliest, ends)
    inside = inside + 1
  end
  return fence
end

-- The writer's hold ends; the key rests for so many ms.
local function leave_hold(rest)
  if rest > 0 then
    hold, hold_until, hold_token = now + rest .. ' 0 0 ' .. now .. ' - - {}', now + rest, '-'
  else
    hold, hold_until, hold_token = false, 0, nil
  end
end

-- The shared hold ends.
local function leave_shared(token, ends)
  redis.call('HDEL', lock, 's:' .. token)
  inside = inside - 1
  if ends >= latest then exact = 0 end
end

-- Forgets tokens that need not be refused any more, a few at a time, and answers the numbers of the first and the next.
local function forget_refused()
  local from, to = string.match(redis.call('HGET', lock, 'x') or '1 1', '^(%d+) (%d+)$')
  from, to = tonumber(from), tonumber(to)
  for n = from, math.min(to, from + 100) - 1 do
    local ends, token = string.match(redis.call('HGET', lock, 'x#' .. n) or '0 ', '^(%d+) (.*)$')
    if tonumber(ends) > now then break end
    -- It may have been refused anew since.
    if redis.call('HGET', lock, 'x:' .. token) == ends then put('x:' .. token, false) end
    put('x#' .. n, false)
    from = n + 1
  end
  put('x', from < to and from .. ' ' .. to)
  return from, to
end

-- Claims of these tokens that come later are refused, for a minute. That of a token after a "-" is not: see revoke.lua.
local function refuse_later(tokens)
  local from, to = forget_refused()
  local ends = now + REFUSE_MS
  for _, token in ipairs(tokens) do
    put('x#' .. to, ends .. ' ' .. token)
    put('x:' .. token, ends)
    to = to + 1
  end
  put('x', from .. ' ' .. to)
end
