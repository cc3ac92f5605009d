# Prints the table, then serves while bytes move: each second a file is sent to a reader
# by dd, which reads and writes, and by cat, which does it by sendfile.
$TABLE || echo "play: $TABLE ended with $?; what it says is above"
zc run --log.level warn --self-test --group-by comm --web.listen-address "0.0.0.0:$PORT" &
daemon=$!
until wget -q -O /dev/null "http://127.0.0.1:$PORT/-/ready" 2>/dev/null; do
    kill -0 $daemon 2>/dev/null || exit 1
    sleep 0.2
done
echo 4096 4194304 6291456 >/proc/sys/net/ipv4/tcp_rmem
head -c 1048576 /dev/urandom >/mnt/file || exit
nc -ll -p 8001 -e /bin/dd if=/mnt/file bs=64k status=none 2>/dev/null &
nc -ll -p 8002 -e /bin/cat /mnt/file &
until nc 127.0.0.1 8001 </dev/null >/dev/null 2>&1; do sleep 0.2; done
echo "$READY"
while kill -0 $daemon 2>/dev/null; do
    nc 127.0.0.1 8001 </dev/null >/dev/null
    nc 127.0.0.1 8002 </dev/null >/dev/null
    sleep 1
done
wait $daemon
exit 1
