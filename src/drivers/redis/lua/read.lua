-- Who holds and who waits; changes nothing.
--   KEYS[1]  the lock
--   ARGV     how many places to tell of; 1 if what others have stored under such a name is to be passed over
--   answers  {server ms, the writer's hold or "", the shared holds as token, record, …, how many wait, the first places}
local lock = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local version, hold, shared, queue = unpack(redis.call('HMGET', lock, 'v', 'h', 'c', 'q'))
if version ~= '2' then
  if not version and (ARGV[2] == '1' or redis.call('EXISTS', lock) == 0) then return {now, '', {}, 0, {}} end
  return redis.error_reply('LATCHKEY the lock is stored in the format of another release')
end
local holders, places = {}, {}
if shared then
  local cursor = '0'
  repeat
    local page = redis.call('HSCAN', lock, cursor, 'MATCH', 's:*', 'COUNT', 1000)
    cursor = page[1]
    for i = 1, #page[2], 2 do
      holders[#holders + 1] = string.sub(page[2][i], 3)
      holders[#holders + 1] = page[2][i + 1]
    end
  until cursor == '0'
end
local first, next_place, count = string.match(queue or '1 1 0', '^(%d+) (%d+) (%d+)$')
for n = first, math.min(next_place, first + 10000) - 1 do
  if #places >= tonumber(ARGV[1]) then break end
  places[#places + 1] = redis.call('HGET', lock, '#' .. n) or nil
end
return {now, hold or '', holders, tonumber(count), places}
