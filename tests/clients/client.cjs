// The npm package `socks`. Arguments: its folder; proxy, echo, UDP echo, caller (ports).
const [folder, ...ports] = process.argv.slice(2);
const [proxyPort, echo, udp, caller] = ports.map(Number);
const { SocksClient } = require(folder);
const dgram = require("dgram");
const net = require("net");

const proxy = (type) => ({ host: "127.0.0.1", port: proxyPort, type });
const timeout = 60000;

function read(socket, length) {
  return new Promise((resolve, reject) => {
    let all = Buffer.alloc(0);
    socket.on("data", (piece) => {
      all = Buffer.concat([all, piece]);
      if (all.length >= length) resolve(all);
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`closed after ${all.length} bytes`)));
    socket.resume();
  });
}

async function connect(type, host) {
  const destination = { host, port: echo };
  const { socket } = await SocksClient.createConnection({ proxy: proxy(type), command: "connect", destination, timeout });
  const back = read(socket, 5);
  socket.write("hello");
  if ((await back).toString() !== "hello") throw new Error("another echo");
  socket.destroy();
}

function bind() {
  return new Promise((resolve, reject) => {
    const destination = { host: "127.0.0.1", port: 0 };
    const client = new SocksClient({ proxy: proxy(5), command: "bind", destination, timeout });
    client.on("error", reject);
    client.on("bound", ({ remoteHost }) => {
      const tell = net.connect(caller, "127.0.0.1", () => {
        const port = Buffer.alloc(2);
        port.writeUInt16BE(remoteHost.port);
        tell.end(port);
      });
      tell.on("error", reject);
    });
    client.on("established", ({ socket }) => {
      read(socket, 11).then((text) => {
        socket.destroy();
        if (text.toString() === "called back") resolve(); else reject(new Error(`got ${text}`));
      }, reject);
    });
    client.connect();
  });
}

function associate() {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket("udp4");
    const client = new SocksClient({ proxy: proxy(5), command: "associate", destination: { host: "0.0.0.0", port: 0 }, timeout });
    client.on("error", reject);
    client.on("established", ({ socket: control, remoteHost }) => {
      const frame = SocksClient.createUDPFrame({ remoteHost: { host: "127.0.0.1", port: udp }, data: Buffer.from("ping") });
      const host = remoteHost.host === "0.0.0.0" ? "127.0.0.1" : remoteHost.host;
      // Datagrams may be lost, even here.
      const again = setInterval(() => socket.send(frame, remoteHost.port, host), 500);
      socket.send(frame, remoteHost.port, host);
      socket.on("message", (message) => {
        clearInterval(again);
        socket.close();
        control.destroy();
        const { data } = SocksClient.parseUDPFrame(message);
        if (data.toString() === "ping") resolve(); else reject(new Error(`got ${data}`));
      });
    });
    client.connect();
  });
}

async function main() {
  await connect(5, "127.0.0.1");
  await connect(5, "localhost");
  console.log("socks5 ok");
  await connect(4, "127.0.0.1");
  await connect(4, "localhost");
  console.log("socks4 ok");
  await bind();
  console.log("bind ok");
  await associate();
  console.log("udp ok");
}

const late = setTimeout(() => { console.error("not done in time"); process.exit(1); }, 80000);
main().then(() => { clearTimeout(late); process.exit(0); }, (error) => { console.error(error); process.exit(1); });
