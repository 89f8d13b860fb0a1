-- Takes the lock, or a place in its queue, or keeps the place it has. Made twice it does the same.
--   KEYS[1]  the lock
--   ARGV     mode ("w" or "r"); ttl in ms; "<process> <token> <metadata>";
--            "<limit> <ms to vouch for, 0: no place> <1: subscribers are counted>"
--   answers  the fence of a hold that begins; {1, fence, ms left, run} of one that began before or came by its place;
--            {0, ms until the lock may be free (at most, for one without a place), places before it, 1 if it had its place};
--            with one more where there is more to hand over: see leave.lua
local lock, mode, ttl, tail = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local version, last, hold, shared, queue, left = unpack(redis.call('HMGET', lock, 'v', 'f', 'h', 'c', 'q', 'x'))

if mode == 'w' and not (hold or shared or queue or left)
  and (version == '2' or not version and redis.call('EXISTS', lock) == 0) then
  local fence = time[1] * 1000000 + time[2]
  if last and last + 1 > fence then fence = last + 1 end
  if not version then redis.call('HSET', lock, 'v', '2') end
  redis.call('HSET', lock, 'f', string.format('%.0f', fence + 63),
    'h', now + ttl .. ' ' .. string.format('%.0f', fence) .. ' 0 ' .. now .. ' ' .. tail)
  -- Once an hour is enough for what lives a day longer than a short hold.
  if not last or ttl > 3600000 or math.floor(last / 3600000000) ~= math.floor(now / 3600000) then
    redis.call('PEXPIRE', lock, ttl + 86400000)
  end
  return fence
end

--include state
local limit, vouch, counted = string.match(ARGV[4], '^(%d+) (%d+) (%d)$')
limit, vouch, counted = tonumber(limit), tonumber(vouch), counted == '1'
local process, token, meta = string.match(tail, '^(%S+) (%S+) (.*)$')
--include queue

local mine = hold_token == token and hold or shared and redis.call('HGET', lock, 's:' .. token)
if mine then
  local ends, fence = string.match(mine, '^(%d+) (%d+)')
  return {1, tonumber(fence), ends - now, hold_token == token and run_of(process) or ''}
end

if left then
  if tonumber(redis.call('HGET', lock, 'x:' .. token) or 0) > now then return {0, 0, 0, 0} end
  forget_refused()
end

local number_of_place, record
if queue then number_of_place, record = unpack(redis.call('HMGET', lock, '@' .. token, '~' .. process)) end
number_of_place = tonumber(number_of_place)
local had_place = number_of_place and 1 or 0
if vouch > 0 then
  local stamp = stamp_of(process, record or '0 0 0')
  if had_place == 0 then
    number_of_place, next_place, places, stamp.count = next_place, next_place + 1, places + 1, stamp.count + 1
    records[number_of_place] =
      token .. ' ' .. mode .. ' ' .. limit .. ' ' .. ttl .. ' ' .. now .. ' ' .. process .. ' ' .. meta
  end
  stamp.stale, stamp.missing, stamp.changed, stamp.state = now + vouch, 0, true, 'here'
end
local blocked, more, fence = hand_over(vouch > 0 and token or nil)
if vouch == 0 and not blocked and (inside == 0 or mode == 'r' and (limit == 0 or inside < limit)) then
  give_up_places({token})
  fence = enter(token, mode, limit, ttl, process, meta)
end
if vouch > 0 and had_place == 0 and not fence then
  put('#' .. number_of_place, records[number_of_place])
  put('@' .. token, number_of_place)
end
finish(true)
if fence then return {1, fence, ttl, mode == 'w' and run_of(process) or '', more and 1 or nil} end
-- Nobody waits for what a single try is told.
local left_ms = time_left(limit, vouch == 0)
return {0, left_ms, vouch > 0 and number_of_place - first or places, had_place, more and 1 or nil}
