-- What is stored for a lock: one hash, so that every command names one key and follows it wherever a Cluster moves it.
--   v            the version of this format
--   f            the largest fence reserved
--   h            the writer's hold: until, fence, sequence, since, process, token, metadata.
--                A sequence of "r": it is being revoked. A token of "-": the key rests.
--   c            the shared holds: how many, the earliest and the latest end, whether these are exact (1) or bounds (0)
--   s:<token>    a shared hold: until, fence, sequence, since, limit (0: none), process, metadata
--   q            the queue: number of the first place, number of the next, how many
--   #<number>    a place: token, mode, limit, ttl, since, process, metadata
--   @<token>     the number of its place
--   ~<process>   how many places it has, until when it vouches for them, since when it is missing (0: it is not)
--   x            tokens that left and must not come in late: number of the first, number of the next
--   x#<number>   such a token: until when, the token
--   x:<token>    until when
-- Times are ms since 1970 on the server's clock. The hash expires a day after all that is in it.
--
-- Expects: lock, time, now, and what the hash has as v, f, h, c, q: version, last, hold, shared, queue.
local DAY, FENCES, MISSING_MS, REFUSE_MS = 86400000, 63, 3000, 60000

local function number(n) return string.format('%.0f', n) end

if version and version ~= '2' or not version and redis.call('EXISTS', lock) == 1 then
  return redis.error_reply('LATCHKEY the lock is stored in the format of another release')
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

-- Calls fn with the rest of the name and the value of each field that begins with the prefix.
local function each(prefix, fn)
  local cursor = '0'
  repeat
    local page = redis.call('HSCAN', lock, cursor, 'MATCH', prefix .. '*', 'COUNT', 1000)
    cursor = page[1]
    for i = 1, #page[2], 2 do fn(string.sub(page[2][i], #prefix + 1), page[2][i + 1]) end
  until cursor == '0'
end

-- Counts the shared holds anew, and drops those whose time is up.
local function count_shared()
  local late = {}
  inside, earliest, latest, exact = 0, math.huge, 0, 1
  each('s:', function(token, record)
    local ends = tonumber(string.match(record, '^%d+'))
    if ends <= now then
      late[#late + 1] = 's:' .. token
    else
      inside, earliest, latest = inside + 1, math.min(earliest, ends), math.max(latest, ends)
    end
  end)
  for i = 1, #late, 1000 do redis.call('HDEL', lock, unpack(late, i, math.min(i + 999, #late))) end
end
if inside > 0 and earliest <= now then count_shared() end

-- ms until nobody surely holds the lock any more, and it does not rest.
local function time_left()
  if inside > 0 and exact == 0 then count_shared() end
  return math.max(hold_until, inside > 0 and latest or 0, now) - now
end

-- The hash lives a day longer than all holds. Needs no memory: a full Redis lets what a script writes after that pass.
local function prolong()
  redis.call('PEXPIRE', lock, math.max(hold_until, inside > 0 and latest or 0, now) - now + DAY)
end

local function save()
  if inside > 0 then
    redis.call('HSET', lock, 'c', inside .. ' ' .. earliest .. ' ' .. latest .. ' ' .. exact)
  elseif shared then
    redis.call('HDEL', lock, 'c')
  end
  if places > 0 then
    redis.call('HSET', lock, 'q', first .. ' ' .. next_place .. ' ' .. places)
  elseif queue then
    redis.call('HDEL', lock, 'q')
  end
  prolong()
end

local function next_fence(reserved)
  local fence = time[1] * 1000000 + time[2]
  if last and last + 1 > fence then fence = last + 1 end
  last = fence + reserved
  redis.call('HSET', lock, 'v', '2', 'f', number(last))
  return fence
end

-- The hold begins.
local function enter(token, mode, limit, ttl, process, meta)
  local fence = next_fence(mode == 'w' and FENCES or 0)
  local ends = now + ttl
  if mode == 'w' then
    hold = ends .. ' ' .. number(fence) .. ' 0 ' .. now .. ' ' .. process .. ' ' .. token .. ' ' .. meta
    hold_until, hold_token = ends, token
    redis.call('HSET', lock, 'h', hold)
  else
    redis.call('HSET', lock, 's:' .. token,
      ends .. ' ' .. number(fence) .. ' 0 ' .. now .. ' ' .. limit .. ' ' .. process .. ' ' .. meta)
    earliest, latest = inside == 0 and ends or math.min(earliest, ends), math.max(inside > 0 and latest or 0, ends)
    inside = inside + 1
  end
  return fence
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
    if redis.call('HGET', lock, 'x:' .. token) == ends then redis.call('HDEL', lock, 'x:' .. token) end
    redis.call('HDEL', lock, 'x#' .. n)
    from = n + 1
  end
  if from == to then redis.call('HDEL', lock, 'x') else redis.call('HSET', lock, 'x', from .. ' ' .. to) end
  return from, to
end

-- A claim of this token that comes later is refused, for a minute.
local function refuse_later(token)
  local from, to = forget_refused()
  local ends = now + REFUSE_MS
  redis.call('HSET', lock, 'v', '2', 'x', from .. ' ' .. to + 1, 'x#' .. to, ends .. ' ' .. token, 'x:' .. token, ends)
end
