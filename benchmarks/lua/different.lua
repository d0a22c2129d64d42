-- Requests that all differ, also from those of earlier rounds: path, query, request id, trace and two fields more.
local first = (os.time() % 1000000) * 10000000
local number = first
local host

function init()
  host = wrk.headers["Host"]
end

function request()
  number = number + 1
  return "GET /orders/" .. number .. "?page=" .. number % 89 .. " HTTP/1.1\r\nHost: " .. host
    .. "\r\nUser-Agent: shop/1.0\r\nAccept: application/json"
    .. "\r\nX-Request-Id: 7c0e-" .. number
    .. "\r\nTraceparent: 00-" .. string.format("%032x-%016x", number, number) .. "-01"
    .. "\r\nX-User: user-" .. number % 5003
    .. "\r\nIf-None-Match: \"" .. number * 7 .. "\"\r\n\r\n"
end
