-- Sets the time left of any number of holds. One that is behind the last, by its sequence, changes nothing.
--   KEYS     of each hold the lock
--   ARGV     of each hold the token, mode ("w" or "r"), ttl in ms, sequence; whom it serves since it was handed on, as
--            "<fence> <metadata>", or ""
--   answers  of each hold 1; 0 where it is lost; -1 - ms where it is revoked and ends then, or has ended; or the text of
--            its error
-- The first command that writes must need no memory: Redis lets the others pass then, even when it is full.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers = {}
for i, lock in ipairs(KEYS) do
  local token, mode, ttl, sequence, serves = unpack(ARGV, 5 * i - 4, 5 * i)
  local field = mode == 'w' and 'h' or 's:' .. token
  local fields = redis.pcall('HMGET', lock, field, 'c', 'v')
  local record, shared, version = unpack(fields)
  if fields.err then
    answers[i] = fields.err
  elseif version and version ~= '2' then
    answers[i] = 'LATCHKEY the lock is stored in the format of another release'
  else
    local ends, fence, at, rest = string.match(record or '', '^(%d+) (%d+) (%w+) (.*)$')
    local owner = mode == 'w' and rest and string.match(rest, '^%d+ %S+ (%S+)') or token
    if not ends or tonumber(ends) <= now or owner ~= token then
      local revoked = redis.call('HGET', lock, 'x:-' .. token)
      answers[i] = revoked and tonumber(revoked) > now and -1 or 0
    elseif at == 'r' then
      answers[i] = -1 - (tonumber(ends) - now)
    else
      if tonumber(sequence) > tonumber(at) then
        local former = tonumber(ends)
        ends = now + tonumber(ttl)
        local serving, meta = string.match(serves, '^(%d+) (.*)$')
        if serving then fence, rest = serving, string.match(rest, '^%d+ %S+ %S+ ') .. meta end
        local inside, earliest, latest, exact
        if shared then inside, earliest, latest, exact = string.match(shared, '^(%d+) (%d+) (%d+) (%d)$') end
        redis.call('PEXPIRE', lock, math.max(ends, tonumber(latest or 0)) - now + 86400000)
        redis.call('HSET', lock, field, ends .. ' ' .. fence .. ' ' .. sequence .. ' ' .. rest)
        if mode == 'r' then
          latest = tonumber(latest)
          if ends >= latest then
            latest, exact = ends, '1'
          elseif former >= latest then
            exact = '0'
          end
          redis.call('HSET', lock, 'c', inside .. ' ' .. math.min(ends, tonumber(earliest)) .. ' ' .. latest .. ' ' .. exact)
        end
      end
      answers[i] = 1
    end
  end
end
return answers
